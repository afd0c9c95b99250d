res.headers['X-Early'] = 'yes';
