// @match /promise-never
// Waits for what nothing will settle.
// expect 500 error
await new Promise(() => {});
