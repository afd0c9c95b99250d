var key = platform.store.get('last');
event.response.content.last = platform.store.get(key);
event.response.headers['X-Visits'] = String(platform.store.get(key).n);
platform.store.del('last');
if (platform.store.get('last') !== null) throw 'it is still there';
