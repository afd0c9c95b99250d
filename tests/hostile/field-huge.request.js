// @match /field-huge
// Megabytes of fields, each within reason.
// expect 500 error
const value = 'y'.repeat(60000);
for (let i = 0; ; i++) req.headers[`x-${i}`] = value;
