if (json !== '{"from":"json"}') throw 'the next handler sees one body: ' + json;
g.req.body.then = 'value';
event.request.content = '{"then":"text"}';
