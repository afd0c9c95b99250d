// @match /regex-nested
// Nested quantifiers.
// expect 500 time limit
/^(a+)+$/.test('a'.repeat(64) + '!');
