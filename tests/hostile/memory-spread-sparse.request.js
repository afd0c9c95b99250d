// @match /memory-spread-sparse
// A sparse array, spread.
// expect 500 memory limit | 500 time limit | 500 error
[...new Array(2 ** 32 - 1)];
