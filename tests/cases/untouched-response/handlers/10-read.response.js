// Reads the body and changes only a header.
res.headers['X-Id'] = String(json.a + json.list.length);
