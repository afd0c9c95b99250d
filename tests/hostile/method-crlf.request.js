// @match /method-crlf
// A method that splits the request.
// expect 500 error
req.method = 'GET / HTTP/1.1\r\nX-Evil: b\r\n\r\nGET';
