req.headers['x-first'] = '1';
event.stop_propagation = true;
