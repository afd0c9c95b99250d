event.request.payload.seen = true;
return event;
