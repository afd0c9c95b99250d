// @match /memory-fill
// A billion elements.
// expect 500 memory limit | 500 time limit | 500 error
new Array(1e9).fill(0);
