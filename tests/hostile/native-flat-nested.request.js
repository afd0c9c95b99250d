// @match /native-flat-nested
// A native that walks a huge length and is never interrupted.
// expect 500 error
[[new Array(2 ** 32 - 1)]].flat(Infinity);
