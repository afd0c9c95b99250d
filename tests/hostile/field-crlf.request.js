// @match /field-crlf
// A field that splits the request.
// expect 500 error
req.headers['X-Evil'] = 'a\r\nX-More: b';
