res.headers['X-Error'] = 'must not run';
