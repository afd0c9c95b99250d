res.headers['X-Tenant'] = req.getUserProperties().get('tenant') + ' ' + req.userProperties.tenant;
