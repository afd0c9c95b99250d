// @match /SecretData/**
// Secrets are handed out over HTTPS only. A proxy in front that ends TLS says so with
// X-Forwarded-Proto; it is believed when its address is in trusted_proxies.
if (!req.clientUsesHttps) {
  log.error('secrets were asked for over plain HTTP by ' + req.clientAddress);
  throw 'Secrets are handed out over HTTPS only';
}
