// @match /memory-buffer
// One huge buffer.
// expect 500 memory limit
new ArrayBuffer(1 << 30);
