res.headers['X-Later'] = 'must not run';
