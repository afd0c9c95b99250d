// @match /marks-compare
// Texts are normalised to be compared.
// expect 500 error
'b'.localeCompare('a' + '\u0301\u0323'.repeat(1e5));
