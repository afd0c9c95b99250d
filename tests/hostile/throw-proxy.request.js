// @match /throw-proxy
// A Proxy that refuses every look.
// expect 500 threw
const refuse = () => { throw new Error("no"); };
throw new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse, getOwnPropertyDescriptor: refuse });
