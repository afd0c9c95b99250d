// Every comparison that LAC scripts are written with.
const answers = [
  req.verb == 'PUT', req.verb === 'PUT', 'PUT' == req.verb.name, req.verb.name() === 'PUT',
  req.verb.toString() === 'PUT', req.method === 'PUT', 'Inês'.name === undefined,
];
req.headers['X-Answers'] = answers.join(' ');
