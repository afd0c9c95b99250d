// What scripts for Nashorn use and Node does not have.
if (req.resourceName.contains('ord')) {
  print('printed ' + req.verb);
  out.println('println ' + req.resourceName);
  log.finest('debug is on: ' + typeof log.isDebugEnabled());
}
log.warning('warned');
