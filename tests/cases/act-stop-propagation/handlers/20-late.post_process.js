res.headers['X-Late'] = '1';
