// @match /bigint-power
// A power beyond all bounds.
// expect 500 error | 500 time limit
2n ** (2n ** 64n);
