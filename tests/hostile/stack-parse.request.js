// @match /stack-parse
// Brackets only.
// expect 500 error
JSON.parse('['.repeat(1e6));
