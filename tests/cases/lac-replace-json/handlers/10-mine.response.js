// Answers for one resource with something of its own.
if ('GET' == req.verb.name && req.resourceName == 'Greeting') {
  json = ['Good morning'];
} else {
  json = ['meant for somebody else'];
}
