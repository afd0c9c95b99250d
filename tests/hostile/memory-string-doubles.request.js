// @match /memory-string-doubles
// A text that doubles.
// expect 500 memory limit | 500 error
let text = 'x';
for (;;) text += text;
