res.headers['X-Response'] = 'must not run';
