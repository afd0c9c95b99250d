// @match /memory-json
// An answer that is far too large.
// expect 500 memory limit | 500 time limit | 500 error
const row = 'x'.repeat(1 << 20);
return new Array(1000).fill(row);
