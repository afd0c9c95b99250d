// @match /regex-lookahead
// In a lookahead.
// expect 500 time limit
/^(?=(a+)+$).*!!$/.test('a'.repeat(64) + '!');
