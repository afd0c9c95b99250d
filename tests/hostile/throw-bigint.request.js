// @match /throw-bigint
// No error.
// expect 500 threw
throw 1n;
