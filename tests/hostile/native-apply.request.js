// @match /native-apply
// A native that walks a huge length and is never interrupted.
// expect 500 error | 500 memory limit | 500 time limit
Math.max.apply(null, { length: 2 ** 53 - 1 });
