// @match /generator-endless
// A generator that never runs dry.
// expect 500 time limit
function* all() { for (let i = 0; ; i++) yield i; }
for (const i of all());
