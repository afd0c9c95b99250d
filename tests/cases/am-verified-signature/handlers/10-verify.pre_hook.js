const bytesOf = (hex) => new Uint8Array((hex ?? '').match(/../g)?.map((it) => parseInt(it, 16)) ?? []);

module.exports = async function main(g) {
  const encoder = new TextEncoder();
  const key = await crypto.subtle.importKey(
    'raw', encoder.encode('top secret'), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'],
  );
  const [scheme, hex] = (g.req.headers['x-signature'] ?? '').split('=');
  const holds = await crypto.subtle.verify('HMAC', key, bytesOf(hex), encoder.encode(json));
  if (scheme !== 'sha256' || !holds) {
    throw { status: 401, body: { error: 'wrong signature' } };
  }
};
