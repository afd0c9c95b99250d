event.response.headers['X-Later'] = 'ran';
