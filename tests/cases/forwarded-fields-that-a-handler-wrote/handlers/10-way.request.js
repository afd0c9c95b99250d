// Says where the request comes from, as an API behind it is to believe.
req.headers['X-Forwarded-For'] = '203.0.113.9';
req.headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': null };
