res.headers['X-Marked'] = 'yes';
