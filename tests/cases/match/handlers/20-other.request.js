// @match /customers/**
throw 'not this path';
