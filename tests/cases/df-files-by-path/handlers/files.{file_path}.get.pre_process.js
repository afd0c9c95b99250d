var path = event.resource['{file_path}'];
var parts = path.split('/');
var closed = ['private', '.git'];
for (var i = 0; i < parts.length; i++) {
  if (closed.indexOf(parts[i]) >= 0) {
    log.warn('refused ' + path + ' to ' + event.request.headers['host']);
    throw { status_code: 403, message: path + ' is not for you' };
  }
}
event.request.headers['x-path'] = path;
