// @match /loop-caught
// What stops it can't be caught.
// expect 500 time limit
for (;;) { try { while (true) {} } catch (error) {} }
