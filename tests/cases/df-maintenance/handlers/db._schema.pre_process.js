// Reading is fine; anything else waits.
var open = ['GET', 'HEAD', 'OPTIONS'];
if (open.indexOf(event.request.method) < 0) {
  event.response.headers = { 'Retry-After': '60' };
  event.setResponse({
    error: {
      code: 503,
      message: 'The schema is closed'
    }
  }, 503, 'json');
}
