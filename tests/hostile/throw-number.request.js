// @match /throw-number
// No error.
// expect 500 threw
throw 404;
