// @match /proxy-chain
// Proxies all the way down.
// expect 500 error | 500 time limit
let p = {};
for (let i = 0; i < 1e5; i++) p = new Proxy(p, {});
p.a;
