// @match GET,POST /orders/{id}
req.headers['X-Order'] = (req.headers['X-Order'] || '') + '4';
