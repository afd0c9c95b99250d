var key = 'visits' + event.request.payload.page;
var seen = platform.store.get(key) || { page: event.request.payload.page, n: 0 };
seen.n += 1;
platform.store.set(key, seen, 60);
platform.store.set('last', key);
