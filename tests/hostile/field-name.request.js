// @match /field-name
// A name that is none.
// expect 500 error
req.headers['X Evil:'] = 'a';
