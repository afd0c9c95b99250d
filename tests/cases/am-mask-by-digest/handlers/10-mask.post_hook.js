const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

module.exports = async function main(g) {
  for (const person of g.res.output) {
    if (typeof person.mail !== 'string') continue;
    const bytes = new TextEncoder().encode(person.mail.toLowerCase());
    const digest = await crypto.subtle.digest('SHA-256', bytes);
    person.mail = hex(digest).slice(0, 16);
  }
  return undefined;
};
