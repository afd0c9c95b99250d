req.headers['X-Stripped'] = 'yes';
