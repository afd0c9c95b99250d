module.exports = async function main(g) {
  const text = new TextEncoder().encode(event.request.content);
  const key = await crypto.subtle.importKey(
    'raw', new TextEncoder().encode('top secret'), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'],
  );
  const [scheme, hex] = (g.req.headers['x-signature'] ?? '').split('=');
  const signature = new Uint8Array((hex ?? '').match(/../g)?.map((it) => parseInt(it, 16)) ?? []);
  const holds = scheme === 'sha256' && await crypto.subtle.verify('HMAC', key, signature, text);
  if (!holds) {
    throw { status: 401, body: { error: 'wrong signature' } };
  }
};
