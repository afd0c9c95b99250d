// @match /loop-for-empty
// Nothing but the jump.
// expect 500 time limit
for (;;);
