req.headers['X-Seen'] = 'yes';
