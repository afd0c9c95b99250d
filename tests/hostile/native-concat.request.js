// @match /native-concat
// A native that walks a huge length and is never interrupted.
// expect 500 error | 500 memory limit | 500 time limit
[].concat(new Array(2 ** 32 - 1), new Array(2 ** 32 - 1));
