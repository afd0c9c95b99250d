res.headers['X-First'] = '1';
res.headers['X-Response'] = '1';
event.stop_propagation = true;
