// @match /memory-repeat
// One huge text.
// expect 500 memory limit | 500 error
'x'.repeat(1 << 29);
