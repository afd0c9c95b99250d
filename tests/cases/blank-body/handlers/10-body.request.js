if (json !== null) throw 'text: ' + json;
