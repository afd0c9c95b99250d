// @match /throw-getter
// Looking at it never ends.
// expect 500 time limit
throw { get status() { while (true) {} } };
