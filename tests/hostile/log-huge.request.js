// @match /log-huge
// One line of a megabyte.
// expect 200
log.info('x'.repeat(1 << 20));
