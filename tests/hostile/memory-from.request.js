// @match /memory-from
// Made from a length.
// expect 500 memory limit | 500 time limit | 500 error
Array.from({ length: 1e9 });
