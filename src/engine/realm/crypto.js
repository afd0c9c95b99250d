// `crypto`: random values, digests, and HMAC.
(function (core, { bytesOf }) {
  const natives = core.natives.web('crypto');
  const { RangeError, String, TypeError, WeakMap } = globalThis;

  const HASHES = ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'];
  const hashOf = (algorithm) => {
    const name = String(algorithm?.name ?? algorithm).toUpperCase();
    if (!HASHES.includes(name)) throw new TypeError(`${name} is no known hash: ${HASHES.join(', ')}`);
    return name;
  };
  const data = (value) => {
    const bytes = bytesOf(value);
    if (bytes === null) throw new TypeError('only buffers have bytes; encode a text with TextEncoder');
    return bytes;
  };

  const secrets = new WeakMap();
  class CryptoKey {
    constructor(hash, extractable, usages) {
      this.type = 'secret';
      this.extractable = extractable;
      this.algorithm = { name: 'HMAC', hash: { name: hash } };
      this.usages = [...usages];
    }
  }
  const secretOf = (key, usage) => {
    if (!secrets.has(key)) throw new TypeError('it is no key of crypto.subtle');
    if (!key.usages.includes(usage)) throw new TypeError(`the key was not imported to ${usage}`);
    return secrets.get(key);
  };
  const onlyHmac = (algorithm) => {
    const name = String(algorithm?.name ?? algorithm).toUpperCase();
    if (name !== 'HMAC') throw new TypeError(`not available in a proxy: ${name}; HMAC is`);
  };

  const subtle = {
    async digest(algorithm, value) { return natives.digest(hashOf(algorithm), data(value)); },
    async importKey(format, value, algorithm, extractable, usages) {
      onlyHmac(algorithm);
      if (format !== 'raw') throw new TypeError(`not available in a proxy: keys as ${format}; raw ones are`);
      const key = new CryptoKey(hashOf(algorithm.hash), extractable, usages);
      secrets.set(key, data(value).slice());
      return key;
    },
    async sign(algorithm, key, value) {
      onlyHmac(algorithm);
      return natives.hmac(key.algorithm.hash.name, secretOf(key, 'sign'), data(value));
    },
    async verify(algorithm, key, signature, value) {
      onlyHmac(algorithm);
      return natives.hmacMatches(key.algorithm.hash.name, secretOf(key, 'verify'), data(value), data(signature));
    },
  };

  const crypto = {
    subtle,
    randomUUID: () => natives.randomUuid(),
    getRandomValues(array) {
      const bytes = data(array);
      if (bytes.length > 65536) throw new RangeError('getRandomValues fills 65536 bytes at most');
      bytes.set(natives.randomBytes(bytes.length));
      return array;
    },
  };
  return { crypto, CryptoKey };
})
