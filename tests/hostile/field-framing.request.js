// @match /field-framing
// Framing is not a handler's to set.
// expect 200
req.headers['Content-Length'] = '999';
req.headers['Transfer-Encoding'] = 'chunked';
req.headers['Connection'] = 'X-Evil';
