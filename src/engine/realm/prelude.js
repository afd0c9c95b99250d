// Builds the names that handlers see from the natives, and freezes the realm.
// Runs once in each isolate, before any handler; its own variables are out of a handler's reach.
//
// The names stand in files of their own, by vocabulary. What most handlers use is there from the
// beginning; the rest is made when a handler first names it, so that an isolate costs no more for
// words that nobody says.
(function (natives, harden) {
  'use strict';

  const { Array, JSON, Map, Object, Proxy, Reflect, Set, String } = globalThis;
  const { freeze, isFrozen, defineProperty, getOwnPropertyDescriptor, getPrototypeOf, hasOwn, keys } = Object;
  const { parse, stringify } = JSON;

  // What scripts of older engines expect of strings: Nashorn's `contains`, and the verb
  // that answers `.name` and `.name()` as Java's enum did.
  let verbName = null;
  defineProperty(String.prototype, 'contains', {
    value: function contains(part) { return this.includes(part); }, writable: true, configurable: true,
  });
  defineProperty(String.prototype, 'name', {
    get() {
      // By the string itself, not by its text: a script's own `'GET'` has no name.
      if (typeof this !== 'string' || !natives.isVerb(this)) return undefined;
      const text = this;
      if (verbName === null || verbName() !== text) {
        verbName = () => text;
        own(verbName, 'toString', verbName);
        freezeWhole(verbName);
      }
      return verbName;
    },
    set(value) { own(this, 'name', value); },
    configurable: true,
  });

  function own(object, key, value) {
    defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  }

  // ── What a transaction leaves with us while its phase runs ───────────────────────────

  // Objects that handlers fill for later ones. Kept as text between the phases, since each
  // may run on an isolate of its own.
  const bags = new Map();
  const bag = (name) => {
    if (!bags.has(name)) setBag(name, parse(natives.kept(name)));
    return bags.get(name);
  };
  const setBag = (name, value) => {
    natives.remembers();
    bags.set(name, value);
  };
  // What is made once in a phase.
  const made = new Map();
  const once = (name, make) => {
    natives.remembers();
    if (!made.has(name)) made.set(name, make());
    return made.get(name);
  };
  const forget = () => { bags.clear(); made.clear(); };

  // ── Parts ────────────────────────────────────────────────────────────────────────────

  // Gives the members of `view` that `values` has its values, and leaves the others.
  const fill = (view, values) => { for (const name of keys(values)) view[name] = values[name]; };
  // Gives `view` the members of `values` and no others.
  const replace = (view, values) => {
    for (const name of keys(view)) if (!hasOwn(values, name)) delete view[name];
    fill(view, values);
  };
  // Another name of an accessor. It isn't listed, so that nobody who copies an object has both.
  const alias = (object, name, of) => {
    defineProperty(object, name, { ...getOwnPropertyDescriptor(object, of), enumerable: false });
    return object;
  };
  // An object with all that it holds, its accessors included: what functions and getters give
  // can't be found by who seals the rest.
  const freezeWhole = (object) => {
    if ((typeof object !== 'object' && typeof object !== 'function') || object === null || isFrozen(object)) return object;
    freeze(object);
    for (const key of Reflect.ownKeys(object)) {
      const { value, get, set } = getOwnPropertyDescriptor(object, key);
      for (const held of [value, get, set]) freezeWhole(held);
    }
    return object;
  };
  // A list of a name that repeats: what is written to it is noted, and taken over before anybody looks.
  const noting = {
    set(target, key, value) {
      natives.listWritten();
      return Reflect.set(target, key, value);
    },
    defineProperty(target, key, descriptor) {
      natives.listWritten();
      return Reflect.defineProperty(target, key, descriptor);
    },
    deleteProperty(target, key) {
      natives.listWritten();
      return Reflect.deleteProperty(target, key);
    },
  };
  natives.showLists((list) => new Proxy(list, noting));

  // Seals an object whose members are all there are. Writing another one, or one that can only be read,
  // is without effect; the log says so.
  const closed = (object, path) => {
    const refuse = (name, why) => { natives.unknownWrite(`${path}.${String(name)} ${why}`); };
    for (const name of keys(object)) {
      const { get, set } = getOwnPropertyDescriptor(object, name);
      if (get && !set) {
        const write = () => { refuse(name, 'can only be read'); };
        defineProperty(object, name, { set: write });
      }
    }
    Object.setPrototypeOf(object, new Proxy(freeze({}), {
      set(target, name) {
        refuse(name, 'is no member that can be written');
        // In strict code that throws.
        return false;
      },
    }));
    return freezeWhole(object);
  };
  const core = { natives, parse, stringify, bag, setBag, once, fill, replace, alias, closed, freezeWhole };

  const part = (name, ...needs) => natives.part(name)(core, ...needs);
  const logging = part('log');
  const calls = part('calls');
  const message = part('lac');

  // After `harden`: what a part brings with it is frozen like everything else. What its getters
  // and functions give is the part's own to freeze, by `freezeWhole`.
  const seal = (root) => {
    const pending = [root];
    while (pending.length > 0) {
      const object = pending.pop();
      // Not by whether it is frozen: a part may freeze an object and leave what it holds.
      if ((typeof object !== 'object' && typeof object !== 'function') || object === null || sealed.has(object)) continue;
      sealed.add(object);
      freeze(object);
      pending.push(getPrototypeOf(object));
      for (const key of Reflect.ownKeys(object)) {
        const { value, get, set } = getOwnPropertyDescriptor(object, key);
        pending.push(value, get, set);
      }
    }
    return root;
  };
  const late = new Map();
  const open = (name) => {
    const known = late.get(name);
    if (known !== undefined) return known;
    // As with modules: the first handler that says a word doesn't pay for it with its time.
    natives.suspendClock();
    try {
      late.set(name, seal(makers[name]()));
    } finally {
      natives.resumeClock();
    }
    return late.get(name);
  };
  const makers = {
    dreamfactory: () => part('dreamfactory', message),
    platform: () => part('platform', calls),
    api_maker: () => part('api_maker', message, calls, logging),
    constants: () => part('constants'),
    fetch: () => part('fetch', calls, open('bytes'), open('url')),
    url: () => part('url'),
    bytes: () => part('bytes'),
    crypto: () => part('crypto', open('bytes')),
    clone: () => part('clone'),
    exact: () => part('exact'),
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

  // ── What a handler returned ──────────────────────────────────────────────────────────

  const EVENT = new Set(['request', 'response', 'resource', 'event_name', 'setRequest', 'setResponse', 'stop_propagation']);
  // Whether a returned object is DF's event, whose members are then taken over.
  const isEvent = (value) => {
    if (Array.isArray(value) || !(hasOwn(value, 'request') || hasOwn(value, 'response'))) return false;
    if (!keys(value).every((key) => EVENT.has(key))) return false;
    open('dreamfactory').takeOver(value);
    return true;
  };

  // ── Scope and realm ──────────────────────────────────────────────────────────────────

  const { log, print, out, console } = logging;
  const { getResource, SysUtility, SysUtilityV2 } = calls;
  const { req, res } = message;
  const names = { req, res, log, print, out, console, getResource, SysUtility, SysUtilityV2, require, global: globalThis, self: globalThis };
  for (const name of keys(names)) {
    defineProperty(globalThis, name, { value: names[name], writable: true, configurable: true });
  }
  const lateNames = {
    dreamfactory: ['event', '_event'],
    platform: ['platform'],
    api_maker: ['g'],
    constants: ['T'],
    fetch: ['fetch', 'Headers', 'Response'],
    url: ['URL', 'URLSearchParams'],
    bytes: ['TextEncoder', 'TextDecoder', 'atob', 'btoa'],
    crypto: ['crypto'],
    clone: ['structuredClone'],
    exact: ['exact'],
  };
  for (const owner of keys(lateNames)) {
    for (const name of lateNames[owner]) {
      defineProperty(globalThis, name, { get: () => open(owner)[name], configurable: true });
    }
  }
  const sealed = harden(natives.allowsCodeFromText);
  // Some are among the arguments of a handler.
  for (const name of Reflect.ownKeys(natives)) if (typeof natives[name] === 'function') seal(natives[name]);

  return freeze({
    failedCall: (error) => calls.failures.get(error),
    isEvent,
    forget,
    // The function of a handler, which `arguments.callee` gives it.
    seal,
    // Calls what a handler exported with `g`.
    main: (exported) => exported(open('api_maker').g),
    // Ends a phase: gives the objects that handlers filled to the transaction.
    leave: () => {
      for (const [name, value] of bags) natives.keep(name, stringify(value) ?? '{}');
      forget();
    },
    statusCodeOf: (json) => (typeof json === 'object' && json !== null ? json.statusCode : undefined),
  });
})
