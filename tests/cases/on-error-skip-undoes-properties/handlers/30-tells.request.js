req.headers['X-Who'] = req.userProperties.who;
