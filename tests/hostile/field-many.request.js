// @match /field-many
// Fields without end.
// expect 500 error
for (let i = 0; ; i++) req.headers[`x-${i}`] = 'y';
