// `req` and `res`: the request in the words of Live API Creator, and the response beside it.
(function ({ natives, bag, fill, replace, alias, closed, freezeWhole }) {
  const { Number, Object, String } = globalThis;
  const { texts, views } = natives;

  // What handlers ask for most is read without JavaScript in between.
  const addGetters = (object, getters) => {
    for (const name of Object.keys(getters)) {
      Object.defineProperty(object, name, { get: getters[name], enumerable: true, configurable: true });
    }
    return object;
  };

  const endWithSlash = (path) => (path.endsWith('/') ? path : `${path}/`);
  const baseUrl = (host) => endWithSlash(`${texts.scheme()}://${texts[host]()}${texts.prefix()}`);

  const properties = () => bag('userProperties');
  const apiKey = freezeWhole({ getUserIdentifier: () => texts.user(), toString: () => texts.user() });
  const apiVersion = freezeWhole({ getName: () => texts.apiVersion(), toString: () => texts.apiVersion() });

  const req = addGetters({
    set method(method) { natives.setMethod(String(method)); },
    set path(path) { natives.setPath(String(path)); },
    set headers(fields) { fill(natives.requestHeaders, fields); },
    set httpHeaders(fields) { fill(natives.httpHeaders, fields); },
    set query(parameters) { replace(natives.parameters, parameters); },
    set urlParameters(parameters) { replace(natives.parameters, parameters); },
    get json() { return natives.received(); },
    set json(_) { /* read-only, without an error */ },
    get clientUsesHttps() { return texts.scheme() === 'https'; },
    get baseUrl() { return baseUrl('host'); },
    get fullBaseURL() { return baseUrl('host'); },
    get localBaseUrl() { return baseUrl('local'); },
    get localFullBaseURL() { return baseUrl('local'); },
    get apiVersion() { return apiVersion; },
    get apiKey() { return apiKey; },
    getApiKey: () => apiKey,
    get userProperties() { return properties(); },
    getUserProperties: () => ({ get: (name) => properties()[name] ?? null }),
    setUserProperty: (name, value) => { properties()[name] = value; },
  }, {
    verb: texts.verb,
    method: texts.method,
    path: texts.path,
    query: views.parameters,
    urlParameters: views.parameters,
    headers: views.requestHeaders,
    httpHeaders: views.httpHeaders,
    id: texts.id,
    resourceName: texts.resource,
    clientAddress: texts.clientAddress,
    metadata_name: texts.metadataName,
  });

  const res = addGetters({
    get status() { return natives.status(); },
    set status(status) { natives.setStatus(Number(status), true); },
    set headers(fields) { fill(natives.responseHeaders, fields); },
    get body() { return natives.responseBody(); },
    set body(body) { natives.setResponseBody(body, false); },
  }, { headers: views.responseHeaders });

  alias(res, 'statusCode', 'status');
  return { req: closed(req, 'req'), res: closed(res, 'res') };
})
