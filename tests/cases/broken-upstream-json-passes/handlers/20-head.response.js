res.headers['X-Seen'] = 'yes';
