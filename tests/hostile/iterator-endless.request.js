// @match /iterator-endless
// An iterator in the hands of a native.
// expect 500 time limit
new Set({ [Symbol.iterator]: () => ({ next: () => ({ value: 1, done: false }) }) });
