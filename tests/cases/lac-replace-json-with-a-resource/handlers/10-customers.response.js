// Answers with the customers instead.
if ('GET' == req.verb.name && req.resourceName == 'Greeting') {
  json = getResource('demo:customer');
}
