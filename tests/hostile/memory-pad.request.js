// @match /memory-pad
// Padded to half a gigabyte.
// expect 500 memory limit | 500 error
'x'.padStart(1 << 29, 'ab');
