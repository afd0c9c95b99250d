// @match /text-uppercase
// A large text, mapped again and again.
// expect 500 time limit | 500 error | 500 memory limit
const text = 'ß'.repeat(4e6);
for (;;) text.toUpperCase();
