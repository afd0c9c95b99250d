res.headers['X-Error'] = json.message;
