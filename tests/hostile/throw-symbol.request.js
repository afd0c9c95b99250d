// @match /throw-symbol
// What has no text.
// expect 500 threw
throw Symbol('x');
