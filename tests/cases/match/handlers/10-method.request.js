// @match POST /orders/**
throw 'not this method';
