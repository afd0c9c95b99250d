// @match /orders/**
req.headers['X-Order'] = (req.headers['X-Order'] || '') + '5';
