// @match /bigint-parse
// Reads many digits.
// expect 500 time limit | 500 error
BigInt('7'.repeat(300000));
while (true) {}
