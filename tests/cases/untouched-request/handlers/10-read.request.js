// Reads the body and changes only a header.
req.headers['X-A'] = String(JSON.parse(json).a);
