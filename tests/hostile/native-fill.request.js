// @match /native-fill
// A native that walks a huge length and is never interrupted.
// expect 500 error | 500 memory limit | 500 time limit
Array.prototype.fill.call({ length: 2 ** 53 - 1 }, 0);
