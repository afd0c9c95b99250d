// @match /getter-endless
// A getter of the answer never returns.
// expect 500 time limit
return { get a() { while (true) {} } };
