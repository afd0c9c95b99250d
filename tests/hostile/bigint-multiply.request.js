// @match /bigint-multiply
// Grows by multiplication.
// expect 500 time limit | 500 error
let n = 3n;
for (;;) n *= n;
