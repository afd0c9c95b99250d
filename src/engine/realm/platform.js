// `platform`: what DreamFactory offers its scripts.
(function ({ natives, parse, stringify, once, closed }, { exchange, read }) {
  const { Number, Object, RangeError, String, TypeError } = globalThis;

  // `get(path, payload, options)`; a function among the arguments is called with the result too.
  const send = (method) => (path, ...rest) => {
    const callback = rest.find((it) => typeof it === 'function');
    const [payload, options] = rest.filter((it) => typeof it !== 'function');
    const { headers, parameters, timeout } = options ?? {};
    const inQuery = method === 'GET' && typeof payload === 'object' && payload !== null;
    const answer = exchange(method, natives.address(String(path)), {
      parameters: inQuery ? { ...payload, ...parameters } : parameters,
      headers,
      data: inQuery ? null : payload,
      timeout,
    });
    const statusCode = answer.status;
    if (callback) callback(answer.text, { statusCode, headers: answer.headers });
    return {
      status_code: statusCode,
      content: read(answer),
      content_type: answer.headers['content-type'] ?? null,
      headers: answer.headers,
    };
  };
  const api = {
    get: send('GET'), post: send('POST'), put: send('PUT'), patch: send('PATCH'), delete: send('DELETE'), del: send('DELETE'),
  };

  const store = {
    get(key) {
      const text = natives.storeGet(String(key));
      return text === undefined ? null : parse(text);
    },
    set(key, value, seconds) {
      const text = stringify(value);
      if (text === undefined) throw new TypeError('platform.store keeps values of JSON');
      if (seconds === undefined) {
        natives.storeSet(String(key), text, undefined);
        return;
      }
      if (!(Number(seconds) > 0)) throw new RangeError(`platform.store keeps a value for some seconds, not ${seconds}`);
      natives.storeSet(String(key), text, Number(seconds));
    },
    del: (key) => natives.storeDelete(String(key)),
    delete: (key) => natives.storeDelete(String(key)),
  };

  const platform = {
    api,
    store,
    get session() {
      return once('session', () => Object.freeze({ user: {}, role: {}, app: {}, ...parse(natives.texts.session()) }));
    },
    get config() { return once('config', () => parse(natives.texts.config())); },
  };
  return { platform: closed(platform, 'platform') };
})
