// @match /throw-undefined
// Nothing at all.
// expect 500 threw
throw undefined;
