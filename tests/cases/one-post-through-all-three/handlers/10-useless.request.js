// Live API Creator: text in, text out.
if ( ! json) {
  return;
}
var data = JSON.parse(json);
if (Array.isArray(data)) {
  for (var i = 0; i < data.length; i++) {
    delete data[i].uselessData;
  }
} else {
  delete data.uselessData;
}
req.setUserProperty('verb', req.verb.name());
json = JSON.stringify(data);
