if (event.response.status_code >= 400) {
  var said = event.response.content;
  var message = said && (said.message || (said.error && said.error.message)) || 'unknown';
  event.response.content = {
    error: {
      code: event.response.status_code,
      message: message,
      event: event.event_name
    }
  };
}
