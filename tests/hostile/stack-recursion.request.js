// @match /stack-recursion
// Calls itself.
// expect 500 error
function deeper() { return deeper() + 1; }
deeper();
