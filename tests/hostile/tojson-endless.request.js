// @match /tojson-endless
// Written by a toJSON that never returns.
// expect 500 time limit
return { a: { toJSON() { while (true) {} } } };
