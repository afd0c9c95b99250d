// @match /throw-proxy-deep
// A Proxy of a Proxy of a Proxy.
// expect 500 error | 500 threw | 500 time limit
let p = new Error("x");
for (let i = 0; i < 1e4; i++) p = new Proxy(p, {});
throw p;
