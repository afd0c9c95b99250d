// @match /regex-compile
// A pattern that is large once compiled.
// expect 500 error | 500 time limit | 500 memory limit
new RegExp(`${'(?:'.repeat(6)}a${'{1000})'.repeat(6)}`).test('a');
while (true) {}
