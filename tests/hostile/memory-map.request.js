// @match /memory-map
// A map without end.
// expect 500 memory limit | 500 time limit
const all = new Map();
for (let i = 0; ; i++) all.set(i, { i });
