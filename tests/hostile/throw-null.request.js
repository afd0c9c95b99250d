// @match /throw-null
// What running out of memory looks like.
// expect 500 threw
throw null;
