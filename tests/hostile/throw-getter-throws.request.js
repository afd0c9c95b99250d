// @match /throw-getter-throws
// Looking at it throws.
// expect 500 threw
throw { get message() { throw null; } };
