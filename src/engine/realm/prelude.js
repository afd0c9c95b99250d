// Builds the names that handlers see (CONTRACT §3) from the natives, and freezes the realm.
// Runs once in each isolate, before any handler; its own variables are out of a handler's reach.
(function (natives, harden) {
  'use strict';

  const { Array, Error, JSON, Map, Number, Object, Promise, String, TypeError, WeakMap } = globalThis;
  const { freeze, defineProperty, keys } = Object;
  const parse = JSON.parse;
  const stringify = JSON.stringify;

  // What scripts of older engines expect of strings: Nashorn's `contains`, and the verb
  // that answers `.name` and `.name()` as Java's enum did.
  let verbName = null;
  defineProperty(String.prototype, 'contains', {
    value: function contains(part) { return this.includes(part); }, writable: true, configurable: true,
  });
  defineProperty(String.prototype, 'name', {
    get() {
      const text = String(this);
      if (text !== natives.text('method')) return undefined;
      if (verbName === null || verbName() !== text) {
        verbName = () => text;
        own(verbName, 'toString', verbName);
        freeze(verbName);
      }
      return verbName;
    },
    set(value) { own(this, 'name', value); },
    configurable: true,
  });

  function own(object, key, value) {
    defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  }

  // ── Log ──────────────────────────────────────────────────────────────────────────────

  const show = (value) => {
    if (typeof value === 'string') return value;
    if (value instanceof Error) return value.stack ? `${value}\n${value.stack}` : String(value);
    if (typeof value === 'object' && value !== null) {
      try { return stringify(value) ?? String(value); } catch { return String(value); }
    }
    return String(value);
  };
  const writer = (level) => (...values) => {
    if (natives.logs(level)) natives.log(level, values.map(show).join(' '));
  };
  const log = {};
  for (const [name, level] of [
    ['error', 'error'], ['warning', 'warn'], ['warn', 'warn'], ['info', 'info'],
    ['debug', 'debug'], ['finer', 'trace'], ['finest', 'trace'],
  ]) {
    log[name] = writer(level);
    log[`is${name[0].toUpperCase()}${name.slice(1)}Enabled`] = () => natives.logs(level);
  }
  const print = writer('info');
  const out = { println: print, print };
  const console = { log: print, info: print, warn: writer('warn'), error: writer('error'), debug: writer('debug') };

  // ── Host calls ───────────────────────────────────────────────────────────────────────

  // Errors of host calls, and the status an uncaught one becomes: 502 whatever it carries,
  // or 500 where the script asked for what it may not have.
  const hostErrors = new WeakMap();
  const hostError = (answer) => {
    const error = new Error(answer.error ?? `the call answered with status ${answer.status}`);
    error.statusCode = answer.status ?? answer.code;
    error.body = answer.text ?? null;
    hostErrors.set(error, answer.isRefused ? 500 : 502);
    return error;
  };
  const text = (answer) => {
    if (answer.error !== undefined || answer.status < 200 || answer.status > 299) throw hostError(answer);
    return answer.text;
  };
  const value = (answer) => {
    const body = text(answer);
    return body === '' ? null : parse(body);
  };
  const asBody = (data) => {
    if (data === undefined || data === null) return '';
    return typeof data === 'string' ? data : stringify(data);
  };
  const call = (method, url, parameters, settings, data) => natives.call(
    method, String(url), parameters ? stringify(parameters) : '', stringify(settings?.headers ?? {}), asBody(data));

  const getResource = (name, settings) => value(natives.getResource(String(name), settings ? stringify(settings) : ''));
  const utility = (result) => ({
    getResource,
    restGet: (url, parameters, settings) => result(call('GET', url, parameters, settings)),
    restDelete: (url, parameters, settings) => result(call('DELETE', url, parameters, settings)),
    restPost: (url, parameters, settings, data) => result(call('POST', url, parameters, settings, data)),
    restPut: (url, parameters, settings, data) => result(call('PUT', url, parameters, settings, data)),
    restPatch: (url, parameters, settings, data) => result(call('PATCH', url, parameters, settings, data)),
  });
  const notHere = (object, names) => {
    for (const name of names) {
      object[name] = () => { throw new TypeError(`not available in a proxy: ${name}`); };
    }
    return object;
  };
  const DATABASE = ['findEntities', 'databaseNow', 'databaseUtcNow', 'getEntity', 'insertEntity', 'updateEntity', 'deleteEntity'];
  const SysUtility = notHere(utility(text), DATABASE);
  const SysUtilityV2 = notHere(utility(value), DATABASE);

  // ── The request ──────────────────────────────────────────────────────────────────────

  const endWithSlash = (path) => (path.endsWith('/') ? path : `${path}/`);
  const baseUrl = (host) => endWithSlash(`${natives.text('scheme')}://${natives.text(host)}${natives.text('prefix')}`);

  // Kept as text between the phases, since each may run on an isolate of its own.
  let userProperties = null;
  const properties = () => {
    if (userProperties === null) userProperties = parse(natives.kept());
    return userProperties;
  };
  const apiKey = freeze({ getUserIdentifier: () => natives.text('user'), toString: () => natives.text('user') });
  const apiVersion = freeze({ getName: () => natives.text('apiVersion'), toString: () => natives.text('apiVersion') });

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

  // ── The response ─────────────────────────────────────────────────────────────────────

  const res = {
    get status() { return natives.status(); },
    set status(status) { natives.setStatus(Number(status)); },
    get headers() { return natives.responseHeaders; },
    set headers(fields) { for (const name of keys(fields)) natives.responseHeaders[name] = fields[name]; },
    get body() { return natives.responseBody(); },
    set body(body) { natives.setResponseBody(body); },
  };

  // ── Modules ──────────────────────────────────────────────────────────────────────────

  const modules = new Map();
  const load = (name, from) => {
    const found = natives.library(String(name), from);
    const known = modules.get(found.path);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    modules.set(found.path, module);
    natives.suspendClock();
    try {
      if (found.json !== undefined) module.exports = parse(found.json);
      else found.code.call(module.exports, module, module.exports, (inner) => load(inner, found.path));
    } catch (error) {
      modules.delete(found.path);
      throw error;
    } finally {
      natives.resumeClock();
    }
    return module.exports;
  };
  const require = (name) => load(name, null);

  // ── What was thrown ──────────────────────────────────────────────────────────────────

  const mistakes = ['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError', 'EvalError', 'URIError', 'AggregateError', 'InternalError']
    .map((name) => globalThis[name]).filter((it) => it !== undefined);

  const wholeStatus = (value) => {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    return Number.isInteger(number) && number >= 400 && number <= 599 ? number : undefined;
  };
  const statusOf = (thrown) => wholeStatus(thrown.status) ?? wholeStatus(thrown.statusCode)
    ?? wholeStatus(thrown.status_code) ?? wholeStatus(thrown.code) ?? 400;
  const messageOf = (thrown) => {
    const message = thrown.message ?? thrown.errorMessage;
    return message === undefined || message === null ? '' : String(message);
  };

  // Says what a thrown value means (CONTRACT §6). Runs within the handler's limits: a getter
  // or a Proxy may do anything.
  const describe = (thrown) => {
    if (typeof thrown === 'string') return { fault: 'handler', status: 400, message: thrown };
    if (typeof thrown !== 'object' || thrown === null) {
      return { fault: 'script', cause: 'thrown', status: 500, message: `threw ${String(thrown)}, which is no string, Error or object` };
    }
    if (hostErrors.has(thrown)) {
      return { fault: 'host', status: hostErrors.get(thrown), message: thrown.message, stack: thrown.stack };
    }
    for (const Mistake of mistakes) {
      if (thrown instanceof Mistake) {
        const { name, message, stack } = thrown;
        return { fault: 'script', cause: 'error', status: 500, message: `${name}: ${message}`, name: String(name), stack: String(stack ?? '') };
      }
    }
    if (Array.isArray(thrown)) {
      const first = thrown[0] ?? {};
      return { fault: 'handler', status: wholeStatus(first.code) ?? 400, message: messageOf(first), errors: stringify(thrown) };
    }
    const described = { fault: 'handler', status: statusOf(thrown), message: messageOf(thrown) };
    if (Object.hasOwn(thrown, 'code')) described.code = stringify(thrown.code);
    if (Object.hasOwn(thrown, 'body')) {
      described.hasBody = true;
      described.body = thrown.body;
      described.headers = thrown.headers ?? {};
    }
    return described;
  };

  // ── Scope and realm ──────────────────────────────────────────────────────────────────

  for (const object of [log, out, console, SysUtility, SysUtilityV2, req, res]) freeze(object);
  const names = { req, res, log, print, out, console, getResource, SysUtility, SysUtilityV2, require, global: globalThis, self: globalThis };
  for (const name of keys(names)) {
    defineProperty(globalThis, name, { value: names[name], writable: true, configurable: true });
  }
  harden();

  return freeze({
    describe,
    // Ends a phase: gives the properties that handlers kept to the transaction.
    leave: () => {
      if (userProperties === null) return;
      const kept = stringify(userProperties);
      userProperties = null;
      natives.keep(kept);
    },
    forget: () => { userProperties = null; },
    statusCodeOf: (json) => (typeof json === 'object' && json !== null ? json.statusCode : undefined),
  });
})
