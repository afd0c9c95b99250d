// @match /sort-endless
// A comparison that never returns.
// expect 500 time limit
[2, 1].sort(() => { while (true) {} });
