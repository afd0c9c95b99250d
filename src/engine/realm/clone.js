// `structuredClone`, for what handlers have: values of JSON, and the built-in classes beside them.
(function () {
  const {
    Array, ArrayBuffer, BigInt, Boolean, Date, Error, Map, Number, Object, RegExp, Set, String, TypeError,
  } = globalThis;

  const refuse = (value) => { throw new TypeError(`${typeof value === 'function' ? 'a function' : String(value)} can't be cloned`); };

  // A new object of the same class, without its members.
  const empty = (value, copy) => {
    if (Array.isArray(value)) return new Array(value.length);
    if (value instanceof Date) return new Date(value.getTime());
    if (value instanceof RegExp) return new RegExp(value.source, value.flags);
    if (value instanceof Number || value instanceof String || value instanceof Boolean || value instanceof BigInt) return Object(value.valueOf());
    if (value instanceof ArrayBuffer) return value.slice(0);
    if (ArrayBuffer.isView(value)) {
      const { constructor, byteOffset, byteLength, length } = value;
      return new constructor(copy(value.buffer), byteOffset, length ?? byteLength);
    }
    if (value instanceof Error) {
      const error = Object.create(Object.getPrototypeOf(value));
      for (const name of ['message', 'stack', 'cause']) {
        if (Object.hasOwn(value, name)) Object.defineProperty(error, name, { value: value[name], writable: true, configurable: true });
      }
      return error;
    }
    if (value instanceof Map) return new Map();
    if (value instanceof Set) return new Set();
    return {};
  };
  const hasNoMembers = (value) => value instanceof String || value instanceof ArrayBuffer || ArrayBuffer.isView(value) || value instanceof Error;

  const structuredClone = (root) => {
    const known = new Map();
    const copy = (value) => {
      if (typeof value === 'function' || typeof value === 'symbol') refuse(value);
      if (typeof value !== 'object' || value === null) return value;
      if (known.has(value)) return known.get(value);
      const cloned = empty(value, copy);
      known.set(value, cloned);
      if (value instanceof Map) for (const [key, member] of value) cloned.set(copy(key), copy(member));
      if (value instanceof Set) for (const member of value) cloned.add(copy(member));
      if (hasNoMembers(value)) return cloned;
      for (const key of Object.keys(value)) {
        Object.defineProperty(cloned, key, { value: copy(value[key]), writable: true, enumerable: true, configurable: true });
      }
      return cloned;
    };
    return copy(root);
  };
  return { structuredClone };
})
