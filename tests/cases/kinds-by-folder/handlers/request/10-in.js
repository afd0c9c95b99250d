req.headers['X-In'] = 'yes';
