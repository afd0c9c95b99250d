res.headers['X-Seen'] = req.method;
