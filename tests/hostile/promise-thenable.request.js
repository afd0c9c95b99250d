// @match /promise-thenable
// A thenable that resolves with itself.
// expect 500 time limit
const again = { then(resolve) { resolve(again); } };
await again;
