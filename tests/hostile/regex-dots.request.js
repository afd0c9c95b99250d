// @match /regex-dots
// Many stars in a row.
// expect 500 time limit
/.*.*.*.*.*.*.*.*x/.test('a'.repeat(5000));
