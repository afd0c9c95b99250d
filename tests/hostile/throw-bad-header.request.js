// @match /throw-bad-header
// A field that splits the response.
// expect 500 threw | 500 error
throw { status: 400, body: 'x', headers: { 'X-Evil': 'a\r\nSet-Cookie: b=c' } };
