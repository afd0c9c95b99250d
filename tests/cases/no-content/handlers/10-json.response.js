res.headers['X-Json'] = String(json);
