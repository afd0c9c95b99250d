// Freezes every intrinsic, so that nothing a handler does outlives its transaction; gives what it froze.
(function (allowsCodeFromText) {
  'use strict';

  const { Error, Object, Reflect, Set, TypeError } = globalThis;
  const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { ownKeys } = Reflect;

  // What outlives a transaction by design (callbacks of the collector, memory shared with
  // others), what blocks a thread, and the hooks of QuickJS that are accessors over the
  // context's own state, which freezing doesn't hold.
  function removeWhatOutlives() {
    for (const name of ['FinalizationRegistry', 'WeakRef', 'SharedArrayBuffer', 'Atomics', 'AsyncDisposableStack', 'DisposableStack']) {
      delete globalThis[name];
    }
    for (const name of ['prepareStackTrace', 'stackTraceLimit']) delete Error[name];
  }

  // `eval` and the constructors of functions make code from text; they stay what they are to
  // `typeof` and `instanceof`, and throw when called.
  function forbidCodeFromText() {
    const refuse = (name, prototype) => {
      const refused = function () { throw new TypeError(`${name} is not available to handlers`); };
      defineProperty(refused, 'name', { value: name });
      if (prototype) defineProperty(refused, 'prototype', { value: prototype, writable: false });
      return refused;
    };
    defineProperty(globalThis, 'eval', { value: refuse('eval') });
    const makers = [
      function () {}, function* () {}, async function () {}, async function* () {},
    ];
    for (const made of makers) {
      const prototype = getPrototypeOf(made);
      const constructor = refuse(prototype.constructor.name, prototype);
      defineProperty(prototype, 'constructor', { value: constructor });
      if (constructor.name === 'Function') defineProperty(globalThis, 'Function', { value: constructor });
    }
  }

  // QuickJS's own one never asks for the time, however long it looks for each key.
  function letFromEntriesBeInterrupted() {
    const { create, prototype, setPrototypeOf } = Object;
    const { fromEntries } = {
      fromEntries(entries) {
        const made = create(null);
        for (const entry of entries) {
          if ((typeof entry !== 'object' && typeof entry !== 'function') || entry === null) throw new TypeError('not an object');
          made[entry[0]] = entry[1];
        }
        return setPrototypeOf(made, prototype);
      },
    };
    defineProperty(Object, 'fromEntries', { value: fromEntries });
  }

  // What can be reached without being a property of anything: the functions behind our accessors,
  // and the prototypes of what calls return.
  const hidden = [];
  function findWhatCallsReturn() {
    const strict = function () { return arguments; };
    hidden.push(
      function () {}, function* () {}, async function () {}, async function* () {},
      [][Symbol.iterator](), ''[Symbol.iterator](), new Map()[Symbol.iterator](), new Set()[Symbol.iterator](),
      'a'.matchAll(/a/g), (function* () {})(), (async function* () {})(),
      [].values().map((it) => it), Iterator.from({ next: () => ({ done: true }) }), strict(),
    );
    for (const name of ['concat', 'zip', 'zipKeyed']) {
      if (typeof Iterator[name] === 'function') hidden.push(name === 'concat' ? Iterator.concat([]) : Iterator[name](name === 'zip' ? [[]] : { a: [] }));
    }
  }

  // A frozen prototype would make `o.toString = …` fail on every object that inherits from it
  // (the "override mistake"). As accessors its members can be overridden as if it weren't frozen.
  function allowOverriding(prototype, names) {
    for (const key of names) {
      const descriptor = getOwnPropertyDescriptor(prototype, key);
      if (!descriptor || !('value' in descriptor) || !descriptor.configurable) continue;
      const { value } = descriptor;
      hidden.push(value);
      defineProperty(prototype, key, {
        get() { return value; },
        set(written) {
          if (this === prototype) throw new TypeError(`${String(key)} of a built-in can't be changed`);
          defineProperty(this, key, { value: written, writable: true, enumerable: true, configurable: true });
        },
        enumerable: descriptor.enumerable,
        configurable: true,
      });
    }
  }

  function freezeAll() {
    const seen = new Set();
    const pending = [globalThis, ...hidden];
    while (pending.length > 0) {
      const object = pending.pop();
      if ((typeof object !== 'object' && typeof object !== 'function') || object === null || seen.has(object)) continue;
      seen.add(object);
      pending.push(getPrototypeOf(object));
      for (const key of ownKeys(object)) {
        const { value, get, set } = getOwnPropertyDescriptor(object, key);
        pending.push(value, get, set);
      }
    }
    // The views of a message are exotic: their members are the message's and stay writable.
    for (const object of seen) freeze(object);
    return seen;
  }

  removeWhatOutlives();
  letFromEntriesBeInterrupted();
  findWhatCallsReturn();
  if (!allowsCodeFromText) forbidCodeFromText();
  const errors = ['Error', 'TypeError', 'RangeError', 'ReferenceError', 'SyntaxError', 'EvalError', 'URIError', 'AggregateError', 'InternalError'];
  for (const name of ['Object', 'Function', 'Promise', ...errors]) {
    const prototype = globalThis[name]?.prototype;
    if (prototype) allowOverriding(prototype, ownKeys(prototype));
  }
  allowOverriding(Array.prototype, ['constructor', 'toString', 'toLocaleString']);
  return freezeAll();
})
