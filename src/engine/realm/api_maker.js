// `g`: the transaction in the words of API Maker.
(function ({ natives, parse, stringify, bag, setBag, fill, replace, alias, closed }, { req, res }, { exchange, read, here }, { logger }) {
  const { Array, Number, Object, String, TypeError } = globalThis;

  const request = {
    get method() { return req.method; },
    set method(method) { req.method = method; },
    get path() { return req.path; },
    set path(path) { req.path = path; },
    get headers() { return req.headers; },
    set headers(fields) { fill(req.headers, fields); },
    get query() { return req.query; },
    set query(parameters) { replace(req.query, parameters); },
    // `{id: '42'}`, where DreamFactory has `{'{id}': '42'}`.
    get params() {
      const captures = Object.entries(parse(natives.texts.captures()));
      return Object.fromEntries(captures.map(([name, value]) => [name.slice(1, -1), value]));
    },
    get body() { return natives.requestValue(); },
    set body(body) { natives.setRequestValue(body); },
    get auth() { return parse(natives.texts.session()); },
    get ip() { return req.clientAddress; },
  };

  const response = {
    get output() { return natives.output(); },
    set output(output) { natives.setOutput(output); },
    get statusCode() { return natives.status(); },
    set statusCode(status) { natives.setStatus(Number(status), false); },
    get headers() { return res.headers; },
    set headers(fields) { fill(res.headers, fields); },
    get contentType() { return res.headers['content-type'] ?? null; },
    set contentType(type) { res.headers['content-type'] = type; },
  };

  alias(response, 'status', 'statusCode');

  // One call of `callExternalApi`: `{url, method, headers, queryParams, body, timeout, id}`.
  const callOne = (call) => {
    for (const name of ['preProcess', 'postProcess']) {
      if (call[name] !== undefined) throw new TypeError(`not available in a proxy: callExternalApi with ${name}`);
    }
    const { url, method = 'GET', headers, queryParams, body, timeout } = call;
    if (url === undefined) throw new TypeError('callExternalApi needs a `url`');
    const answer = exchange(String(method).toUpperCase(), url, { parameters: queryParams, headers, data: body, timeout });
    const output = { statusCode: answer.status, headers: answer.headers, body: read(answer) };
    return call.id === undefined ? { ...output, output } : { id: call.id, ...output, output };
  };
  const callAll = (calls) => calls.flatMap((call) => (Array.isArray(call.data) && call.url === undefined ? callAll(call.data) : callOne(call)));

  const emit = (audience) => async (name, data) => {
    natives.emit(audience, String(name), stringify(data) ?? 'null');
  };
  const system = here('g.sys.system.', {
    async callExternalApi(calls) { return Array.isArray(calls) ? callAll(calls) : callOne(calls); },
    emitEvent: emit('listeners'),
    emitEventWS: emit('feed'),
    async getSecret(name) { return natives.secret(String(name)); },
  });
  const sys = {
    system,
    db: here('g.sys.db.', {}),
    gen: here('g.sys.gen.', {}),
    schema: here('g.sys.schema.', {}),
  };

  const g = {
    req: request,
    res: response,
    sys,
    logger,
    get shared() { return bag('shared'); },
    set shared(value) { setBag('shared', value); },
  };
  closed(request, 'g.req');
  closed(response, 'g.res');
  return { g: closed(g, 'g') };
})
