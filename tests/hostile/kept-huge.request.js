// @match /kept-huge
// Megabytes for later handlers.
// expect 500 error
g.shared.all = 'x'.repeat(5 << 20);
