// @match /generator-return
// A generator whose return() never ends.
// expect 500 time limit
function* it() { try { yield 1; } finally { while (true) {} } }
for (const i of it()) break;
