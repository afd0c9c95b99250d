// `fetch`: the WHATWG subset that a handler needs. A call blocks its handler, so what is
// awaited is there already; a redirect is an answer like any other.
(function ({ natives, parse, stringify }, { failure }, { bytesOf, decode, encode }, { URLSearchParams }) {
  const { Array, Map, Object, String, Symbol, TypeError, Uint8Array } = globalThis;

  class Headers {
    #fields = new Map();

    constructor(init) {
      if (init === undefined || init === null) return;
      const pairs = typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
      for (const [name, value] of pairs) this.append(name, value);
    }

    append(name, value) {
      const key = String(name).toLowerCase();
      const before = this.#fields.get(key);
      this.#fields.set(key, before === undefined ? String(value) : `${before}, ${value}`);
    }

    set(name, value) { this.#fields.set(String(name).toLowerCase(), String(value)); }
    get(name) { return this.#fields.get(String(name).toLowerCase()) ?? null; }
    has(name) { return this.#fields.has(String(name).toLowerCase()); }
    delete(name) { this.#fields.delete(String(name).toLowerCase()); }
    forEach(visit, self) { for (const [name, value] of this) visit.call(self, value, name, this); }
    keys() { return this.#sorted().map(([name]) => name)[Symbol.iterator](); }
    values() { return this.#sorted().map(([, value]) => value)[Symbol.iterator](); }
    entries() { return this.#sorted()[Symbol.iterator](); }
    [Symbol.iterator]() { return this.entries(); }
    #sorted() { return [...this.#fields].sort(([a], [b]) => (a < b ? -1 : 1)); }
  }

  const content = (body) => {
    if (body === undefined || body === null) return { body: '' };
    if (typeof body === 'string') return { body: body.toWellFormed(), type: 'text/plain;charset=UTF-8' };
    if (body instanceof URLSearchParams) return { body: String(body), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
    const bytes = bytesOf(body);
    return bytes === null ? { body: String(body).toWellFormed(), type: 'text/plain;charset=UTF-8' } : { body: bytes };
  };

  class Response {
    #body;
    #isUsed = false;

    constructor(body, { status = 200, statusText = '', headers, url = '' } = {}) {
      const { body: given, type } = content(body);
      this.#body = given;
      this.status = status;
      this.statusText = statusText;
      this.headers = new Headers(headers);
      if (type !== undefined && !this.headers.has('content-type')) this.headers.set('content-type', type);
      this.url = url;
    }

    get ok() { return this.status >= 200 && this.status <= 299; }
    get bodyUsed() { return this.#isUsed; }
    async text() { return this.#text(); }
    async json() { return parse(this.#text()); }
    async bytes() { return this.#bytes(); }
    async arrayBuffer() { return this.#bytes().buffer; }

    clone() {
      if (this.#isUsed) throw new TypeError('the body was read already');
      const { status, statusText, headers, url } = this;
      return new Response(this.#body, { status, statusText, headers, url });
    }

    #take() {
      if (this.#isUsed) throw new TypeError('the body was read already');
      this.#isUsed = true;
      return this.#body;
    }

    #text() {
      const body = this.#take();
      return typeof body === 'string' ? body.replace(/^\uFEFF/, '') : decode(body, false, false);
    }

    #bytes() {
      const body = this.#take();
      return typeof body === 'string' ? encode(body) : new Uint8Array(body);
    }
  }

  const fetch = async (url, { method = 'GET', headers, body, timeout } = {}) => {
    const fields = new Headers(headers);
    const { body: sent, type } = content(body);
    if (type !== undefined && !fields.has('content-type')) fields.set('content-type', type);
    const answer = natives.fetch(
      String(method).toUpperCase(), String(url), stringify(Object.fromEntries(fields)), sent, timeout ?? 0);
    if (answer.error !== undefined) throw failure(answer);
    return new Response(answer.body, {
      status: answer.status, statusText: answer.reason, headers: answer.fields, url: String(url),
    });
  };

  return { fetch, Headers, Response };
})
