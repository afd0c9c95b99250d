// @match /stack-tostring
// A text that needs itself.
// expect 500 error
const it = { toString() { return `${it}`; } };
`${it}`;
