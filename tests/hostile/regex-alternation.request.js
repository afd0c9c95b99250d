// @match /regex-alternation
// Overlapping alternatives.
// expect 500 time limit
/^(a|aa|a?)*$/.test('a'.repeat(64) + '!');
