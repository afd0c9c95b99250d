// The calls that handlers make: what all vocabularies share, and `getResource` and `SysUtility`.
(function ({ natives, parse, stringify, freezeWhole }) {
  const { Error, Proxy, String, TypeError, WeakMap } = globalThis;

  // Errors of calls, and the status an uncaught one becomes: 502 whatever it carries, or 500
  // where the script asked for what it may not have.
  const failures = new WeakMap();
  const failure = (answer) => {
    const error = new Error(answer.error ?? `the call answered with status ${answer.status}`);
    error.statusCode = answer.status ?? answer.code;
    error.body = answer.text ?? null;
    failures.set(error, answer.isRefused ? 500 : 502);
    return error;
  };

  const asBody = (data) => {
    if (data === undefined || data === null) return '';
    return typeof data === 'string' ? data : stringify(data);
  };

  // Any status is an answer: `{status, text, headers}`, the names of the headers in lower case.
  const exchange = (method, url, { parameters, headers, data, timeout } = {}) => {
    const answer = natives.call(
      method, String(url), parameters ? stringify(parameters) : '', stringify(headers ?? {}), asBody(data), timeout ?? 0);
    if (answer.error !== undefined) throw failure(answer);
    return answer;
  };
  // A text as the value it says it is; the text itself where it says otherwise.
  const read = ({ text, headers }) => {
    const type = headers['content-type'];
    if (text === '') return null;
    if (type !== undefined && !type.includes('json')) return text;
    try { return parse(text); } catch { return text; }
  };

  const text = (answer) => {
    if (answer.error !== undefined || answer.status < 200 || answer.status > 299) throw failure(answer);
    return answer.text;
  };
  const value = (answer) => {
    const body = text(answer);
    return body === '' ? null : parse(body);
  };
  const getResource = (name, settings) => value(natives.getResource(String(name), settings ? stringify(settings) : ''));
  const utility = (result) => {
    const call = (method) => (url, parameters, settings, data) => result(
      exchange(method, url, { parameters, headers: settings?.headers, data }));
    const read = (method) => (url, parameters, settings) => call(method)(url, parameters, settings);
    return {
      getResource,
      restGet: read('GET'),
      restDelete: read('DELETE'),
      restPost: call('POST'),
      restPut: call('PUT'),
      restPatch: call('PATCH'),
    };
  };

  // What a proxy has no database for: every member that isn't there is a function that says so.
  const here = (path, members) => new Proxy(freezeWhole(members), {
    get: (_, name) => {
      if (typeof name === 'symbol' || name in members) return members[name];
      // `await` and `JSON.stringify` look for these on everything.
      if (name === 'then' || name === 'toJSON') return undefined;
      return () => { throw new TypeError(`not available in a proxy: ${path}${name}`); };
    },
  });
  const SysUtility = here('', utility(text));
  const SysUtilityV2 = here('', utility(value));

  return { failures, failure, exchange, read, here, getResource, SysUtility, SysUtilityV2 };
})
