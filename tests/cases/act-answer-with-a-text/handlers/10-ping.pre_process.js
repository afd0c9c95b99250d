// @match GET /ping
event.response.content = 'pong';
