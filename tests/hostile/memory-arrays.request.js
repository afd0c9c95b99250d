// @match /memory-arrays
// Arrays without end.
// expect 500 memory limit | 500 time limit
const all = [];
for (;;) all.push(new Array(1000).fill(1.5));
