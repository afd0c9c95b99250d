// @match /field-array
// A field of a thousand million values.
// expect 500 error
req.headers['x-a'] = new Array(1e9);
