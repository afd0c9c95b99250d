res.headers['X-Order'] = (res.headers['X-Order'] || '') + '1';
