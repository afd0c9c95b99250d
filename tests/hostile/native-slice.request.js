// @match /native-slice
// A native that walks a huge length and is never interrupted.
// expect 500 error | 500 memory limit | 500 time limit
Array.prototype.slice.call({ length: 2 ** 53 - 1 }, 2 ** 53 - 2 ** 32);
