g.shared.seen = event.request.payload.id;
event.request.payload.id = 2;
event.request.headers.x = 'y';
