// @match /proxy-endless
// A trap that never returns.
// expect 500 time limit
new Proxy({}, { get() { while (true) {} } }).a;
