req.headers['X-Ran'] = '50-e';
