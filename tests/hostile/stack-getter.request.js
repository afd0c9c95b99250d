// @match /stack-getter
// A getter that reads itself.
// expect 500 error
const it = { get a() { return this.a; } };
it.a;
