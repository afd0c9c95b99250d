res.headers['X-Hint'] = 'ask for access';
