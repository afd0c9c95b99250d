// Nor here.
res.headers['X-Marked'] = 'yes';
