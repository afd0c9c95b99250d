// @match /native-typed-sort
// A native that walks a huge length and is never interrupted.
// expect 500 error | 500 memory limit | 500 time limit
new Float64Array(6e6).map((_, i) => -i % 977).sort();
