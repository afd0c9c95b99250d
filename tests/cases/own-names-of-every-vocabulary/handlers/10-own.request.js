const platform = { api: 1 }, T = 2;
let g = { req: { body: 3 } };
var URL = 4, fetch = 5, crypto = 6, module = { exports: 7 };
function event() { return platform.api + T + g.req.body + URL + fetch + crypto + module.exports; }
json = JSON.stringify({ n: event() });
