// The vault opens over HTTPS only.
if (req.resourceName == 'SecretData' && !req.clientUsesHttps) {
  log.error('the vault was asked over plain HTTP by ' + req.clientAddress);
  throw 'The vault opens over HTTPS only';
}
