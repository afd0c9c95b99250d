// DreamFactory: adds who asked, and says that a row was made.
event.response.content.user = event.request.headers['x-user-id'];
event.response.headers['x-trace'] += ' df';
event.response.status_code = 201;
return event;
