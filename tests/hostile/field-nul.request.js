// @match /field-nul
// A NUL in a field.
// expect 500 error
req.headers['X-Evil'] = 'a\0b';
