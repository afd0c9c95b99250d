// @match /bigint-text
// Asks for the digits.
// expect 500 time limit | 500 error
(2n ** 1000000n).toString();
while (true) {}
