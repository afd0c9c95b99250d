// @match /promise-loop
// Each job makes the next.
// expect 500 time limit
function again() { Promise.resolve().then(again); }
again();
