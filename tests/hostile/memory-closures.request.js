// @match /memory-closures
// Closures that hold each other.
// expect 500 memory limit | 500 time limit
let all = null;
for (;;) { const before = all; all = () => before; }
