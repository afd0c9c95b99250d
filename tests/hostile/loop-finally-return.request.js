// @match /loop-finally-return
// A finally that jumps back into the loop.
// expect 500 time limit
again: for (;;) { try { throw 1; } finally { continue again; } }
