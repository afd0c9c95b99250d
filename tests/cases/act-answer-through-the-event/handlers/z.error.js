res.headers['X-Seen'] = res.status + ' ' + json.error.message;
