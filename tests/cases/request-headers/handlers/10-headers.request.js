// Edits what the upstream gets to see.
req.headers['X-Caller'] = req.httpHeaders['user-agent'] + ' ' + typeof req.httpHeaders['authorization'];
delete req.headers['x-debug'];
req.headers['ACCEPT'] = 'application/json';
