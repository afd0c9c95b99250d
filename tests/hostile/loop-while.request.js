// @match /loop-while
// The plainest of all.
// expect 500 time limit
while (true) {}
