// A missing picture is no reason to fail.
try {
  json.picture = getResource('pictures');
} catch (error) {
  json.picture = null;
  json.why = error.statusCode + ' ' + JSON.parse(error.body).errorMessage;
}
