req.headers['X-Order'] = (req.headers['X-Order'] || '') + '_';
