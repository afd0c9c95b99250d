// @match /orders/*/items/*
throw 'not this deep';
