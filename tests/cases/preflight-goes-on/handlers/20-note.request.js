req.headers['X-Request-Handler'] = 'ran';
