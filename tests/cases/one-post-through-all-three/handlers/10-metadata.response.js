// Live API Creator: json is the body itself.
var metadataName = new String(req.metadata_name);
if (json[metadataName]) {
  json[metadataName].href = json[metadataName].href.replace('/api/v2', '');
}
res.headers['X-Trace'] = 'lac';
if (req.userProperties.verb != 'POST') throw 'the note is lost';
