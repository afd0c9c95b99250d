// Shows that a handler behind one that returned runs.
req.headers['X-Next'] = 'ran';
