// Walks everything that a handler can reach: by properties, getters, prototypes, calls and constructors.
// `mode` is 'write' (a mark on each object) or 'look' (gives the paths of those that bear one).
(function (mode, roots) {
  const MARK = '$mark';
  const symbol = Symbol.for(MARK);
  const proto = { [MARK]: 1 };

  // What is meant to be seen by others: message, body, what handlers keep, and what acts on the world.
  const SHARED = /^(session|config|headers|httpHeaders|query|urlParameters|parameters|userProperties|shared|json|body|payload|content|output)$/;
  const ACTS = /^(set[A-Z].*|answer|emit.*|fetch|getResource|SysUtility.*|rest.*|api|store|send|require|callExternalApi|print|println|log|info|warn|warning|error|debug|finer|finest|trace|stop.*|status.*|method|path|uri|verb)$/;
  // A walk of its own would never end, or it takes what the walk needs.
  const itself = new Set([roots.callee]);
  const ENDLESS = /^(forEach|reduce|reduceRight|some|every|find|toArray|drop|repeat|padStart|padEnd)$/;

  // What stands somewhere, which is walked whole, and what calls gave: that is walked for its
  // prototypes and looked into, for most of it is new each time.
  const seen = new Map();
  const returned = new WeakSet();
  const found = [];
  const pending = [];
  let calls = 0;
  const isObject = (it) => (typeof it === 'object' && it !== null) || typeof it === 'function';
  const reach = (it, path, self) => {
    if (!isObject(it) || seen.has(it)) return;
    seen.set(it, path);
    pending.push({ it, path, self });
  };
  const result = (it, path, depth) => {
    if (!isObject(it) || seen.has(it) || returned.has(it)) return;
    returned.add(it);
    // A rejection that nobody handles would be the handler's.
    if (it instanceof Promise) {
      const settled = (held) => result(held, `await ${path}`, depth);
      Promise.prototype.then.call(it, settled, settled);
    }
    let prototype = null;
    try { prototype = Object.getPrototypeOf(it); } catch { }
    visit(it, path);
    // A prototype that nobody has seen is where objects of its kind meet.
    reach(prototype, `${path}.__proto__`, it);
    if (depth > 1) return;
    let keys = [];
    try { keys = Reflect.ownKeys(it).slice(0, 20); } catch { }
    for (const key of keys) {
      let property;
      try { property = Reflect.getOwnPropertyDescriptor(it, key); } catch { continue; }
      for (const held of [property?.value, property?.get, property?.set]) result(held, `${path}.${String(key)}`, depth + 1);
    }
    if (typeof it === 'function') call(it, path, it, [[]], depth + 1);
  };

  const mark = (it) => {
    for (const write of [
      () => Reflect.defineProperty(it, MARK, { value: 1, configurable: true }),
      () => Reflect.defineProperty(it, symbol, { value: 1, configurable: true }),
      () => Reflect.setPrototypeOf(it, proto),
      () => { if (typeof it === 'function') it.call = function () { return MARK; }; },
    ]) try { write(); } catch { }
  };
  const isMarked = (it) => {
    const own = (key) => { try { return Object.hasOwn(it, key); } catch { return false; } };
    if (own(MARK) || own(symbol)) return true;
    try { if (Object.hasOwn(Object.getPrototypeOf(it) ?? {}, MARK)) return true; } catch { }
    try { return typeof it === 'function' && own('call') && it.call() === MARK; } catch { return false; }
  };

  const visit = (it, path) => {
    if (mode === 'write') mark(it);
    else if (isMarked(it)) found.push(path);
  };

  // New ones each time, for a call may give them back, to be marked.
  const ARGUMENTS = () => [
    [], [(it) => it], [[1, [2], 'x']], [{ a: 1, next: () => ({ done: true }) }], ['text'], [1, 1],
    [/x/g, 'y'], [[[1, 2]], (it) => it], ['raw', new Uint8Array(8), { name: 'HMAC', hash: 'SHA-256' }, true, ['sign', 'verify']],
  ];
  // What a method is called on: an object of its kind, for most refuse all others.
  const KINDS = [
    [/AsyncGenerator|asyncGenerator/, () => (async function* () { yield 1; })()], [/Generator|generator/, () => (function* () { yield 1; })()],
    [/Promise\.prototype/, () => Promise.resolve(1)], [/Map\.prototype/, () => new Map([[1, {}]])], [/Set\.prototype/, () => new Set([1])],
    [/Array\.prototype/, () => [1, [2]]], [/Iterator\.prototype|values|iterator/, () => [1].values()], [/String\.prototype/, () => 'text'],
    [/RegExp\.prototype/, () => /x/g], [/Date\.prototype/, () => new Date(0)], [/Function\.prototype/, () => function () {}],
    [/ArrayBuffer\.prototype/, () => new ArrayBuffer(8)], [/URLSearchParams/, () => new URLSearchParams('a=1')], [/URL\b/, () => new URL('http://h/?a=1')],
    [/Headers/, () => new Headers({ a: '1' })], [/Response/, () => new Response('x')], [/TextEncoder/, () => new TextEncoder()], [/TextDecoder/, () => new TextDecoder()],
  ];
  const receiverOf = (path, self) => KINDS.find(([kind]) => kind.test(path))?.[1]() ?? self;
  const call = (it, path, receiver, lists, depth) => {
    if (itself.has(it)) return;
    const isConstructor = Object.hasOwn(it, 'prototype');
    for (const list of lists) {
      calls++;
      if (receiver !== undefined) try { given(Reflect.apply(it, receiver, [...list]), `${path}()`, depth); } catch (error) { result(error, `${path}() throws`, depth + 1); }
      if (isConstructor) try { given(Reflect.construct(it, [...list]), `new ${path}`, depth); } catch { }
    }
  };
  const given = (value, path, depth) => {
    result(value, path, depth);
  };
  const nameOf = (path) => path.slice(path.lastIndexOf('.') + 1).replace(/\W+$/, '');

  const step = ({ it, path, self }) => {
    let keys = [];
    try { keys = Reflect.ownKeys(it); } catch { }
    try { reach(Object.getPrototypeOf(it), `${path}.__proto__`, self ?? it); } catch { }
    for (const key of keys) {
      if (typeof key === 'string' && SHARED.test(key)) continue;
      const at = `${path}.${String(key)}`;
      let property;
      try { property = Reflect.getOwnPropertyDescriptor(it, key); } catch { continue; }
      if (!property) continue;
      reach(property.value, at, it);
      reach(property.get, `get ${at}`, it);
      reach(property.set, `set ${at}`, it);
      if (property.get && !(typeof key === 'string' && ACTS.test(key))) {
        // What a getter gives stands there as well.
        for (const receiver of [it, self]) try { reach(Reflect.apply(property.get, receiver, []), at, it); } catch { }
      }
    }
    if (typeof it !== 'function' || itself.has(it) || path.startsWith('set ') || ACTS.test(nameOf(path)) || ENDLESS.test(nameOf(path))) return;
    const lists = Object.hasOwn(it, 'prototype') || path.includes('subtle') ? ARGUMENTS() : ARGUMENTS().slice(0, 3);
    call(it, path, receiverOf(path, self), lists, 0);
  };
  const walk = () => { while (pending.length > 0) step(pending.shift()); };

  for (const [name, root] of Object.entries(roots)) reach(root, name);
  walk();
  // Some of the promises are never settled.
  const end = async () => {
    for (let round = 0; round < 20; round++) {
      await null;
      walk();
    }
    for (const [it, path] of seen) visit(it, path);
    return { objects: seen.size, calls, found: [...new Set(found)] };
  };
  return end();
})
