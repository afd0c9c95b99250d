req.setUserProperty('tenant', req.headers['x-tenant']);
