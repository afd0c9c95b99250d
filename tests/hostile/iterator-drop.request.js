// @match /iterator-drop
// An iterator that walks a huge length and is never interrupted.
// expect 500 error
Array.prototype.values.call({ length: 2 ** 53 - 1 }).drop(2 ** 52).next();
