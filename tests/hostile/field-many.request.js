// @match /field-many
// Fields without end.
// expect 500 error | 431 | 500 time limit | 500 memory limit
for (let i = 0; ; i++) req.headers[`x-${i}`] = 'y';
