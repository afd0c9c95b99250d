// @match /native-concat-spreadable
// A native that walks a huge length and is never interrupted.
// expect 500 error | 500 memory limit | 500 time limit
[].concat({ length: 2 ** 53 - 2, [Symbol.isConcatSpreadable]: true });
