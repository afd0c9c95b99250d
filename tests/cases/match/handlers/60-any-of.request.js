// @match /nowhere
// @match GET /orders/*
req.headers['X-Order'] = (req.headers['X-Order'] || '') + '6';
