event.response.status_code = 405;
event.response.headers = { Allow: 'GET, POST' };
event.response.content = { error: { code: 405, message: 'orders are kept' } };
