// A preflight carries no authorization: an answered one must not get here.
if (!req.headers['Authorization']) throw { status: 401, message: 'log in first' };
