event.request.headers['x-order'] = (event.request.headers['x-order'] || '') + '8';
