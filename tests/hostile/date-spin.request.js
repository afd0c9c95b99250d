// @match /date-spin
// Waits by looking at the clock.
// expect 500 time limit
const end = Date.now() + 60000;
while (Date.now() < end);
