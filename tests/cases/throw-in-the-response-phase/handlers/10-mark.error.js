res.headers['X-Error'] = json.errorMessage;
