// @match /text-normalize
// A large text, normalised.
// expect 500 time limit | 500 error | 500 memory limit
'\u1e9b\u0323'.repeat(1e6).normalize('NFKD');
while (true) {}
