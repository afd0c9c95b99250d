// `req` and `res`: the request in the words of Live API Creator, and the response beside it.
(function ({ natives, bag, fill, freezeWhole }) {
  const { Number, String } = globalThis;

  const endWithSlash = (path) => (path.endsWith('/') ? path : `${path}/`);
  const baseUrl = (host) => endWithSlash(`${natives.text('scheme')}://${natives.text(host)}${natives.text('prefix')}`);

  const properties = () => bag('userProperties');
  const apiKey = freezeWhole({ getUserIdentifier: () => natives.text('user'), toString: () => natives.text('user') });
  const apiVersion = freezeWhole({ getName: () => natives.text('apiVersion'), toString: () => natives.text('apiVersion') });

  const req = {
    get verb() { return natives.text('method'); },
    get method() { return natives.text('method'); },
    set method(method) { natives.setMethod(String(method)); },
    get path() { return natives.text('path'); },
    set path(path) { natives.setPath(String(path)); },
    get query() { return natives.parameters; },
    get urlParameters() { return natives.parameters; },
    get headers() { return natives.requestHeaders; },
    get httpHeaders() { return natives.httpHeaders; },
    get id() { return natives.text('id'); },
    get json() { return natives.text('received'); },
    set json(_) { /* read-only, without an error: CONTRACT §12 */ },
    get resourceName() { return natives.text('resource'); },
    get clientAddress() { return natives.text('clientAddress'); },
    get clientUsesHttps() { return natives.text('scheme') === 'https'; },
    get metadata_name() { return natives.text('metadataName'); },
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
  };

  const res = {
    get status() { return natives.status(); },
    set status(status) { natives.setStatus(Number(status), true); },
    get headers() { return natives.responseHeaders; },
    set headers(fields) { fill(natives.responseHeaders, fields); },
    get body() { return natives.responseBody(); },
    set body(body) { natives.setResponseBody(body, false); },
  };

  return { req: freezeWhole(req), res: freezeWhole(res) };
})
