res.headers['X-Out'] = 'yes';
