// @match /native-foreach
// A native that walks a huge length and is never interrupted.
// expect 500 error | 500 memory limit | 500 time limit
new Array(2 ** 32 - 1).forEach(() => {});
