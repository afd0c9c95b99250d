// @match /native-tosorted
// A native that walks a huge length and is never interrupted.
// expect 500 error | 500 memory limit | 500 time limit
Array.prototype.toSorted.call({ length: 2 ** 32 - 1 });
