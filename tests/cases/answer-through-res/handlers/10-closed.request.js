res.status = 503;
res.headers['Retry-After'] = '3600';
res.body = { message: 'closed until Monday' };
