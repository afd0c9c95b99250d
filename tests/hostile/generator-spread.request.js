// @match /generator-spread
// Spread until nothing is left.
// expect 500 memory limit | 500 time limit
function* all() { for (let i = 0; ; i++) yield i; }
[...all()];
