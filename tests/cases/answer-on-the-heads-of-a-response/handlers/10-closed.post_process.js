if (event.response.headers['x-state'] === 'closed') {
  event.setResponse('closed for today', 503, 'text/plain; charset=utf-8');
}
