// Runs on what the upstream says.
res.headers['X-Marked'] = 'yes';
