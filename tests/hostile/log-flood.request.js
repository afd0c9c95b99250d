// @match /log-flood
// Writes log lines without end.
// expect 500 time limit
for (let i = 0; ; i++) log.info('x'.repeat(10000));
