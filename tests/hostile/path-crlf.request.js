// @match /path-crlf
// A path that splits the request.
// expect 500 error
req.path = '/a HTTP/1.1\r\nX-Evil: b';
