// @match /memory-caught
// Out of memory, caught, and on it goes.
// expect 500 memory limit | 500 time limit
const all = [];
for (;;) { try { all.push('x'.repeat(1 << 20)); } catch (error) {} }
