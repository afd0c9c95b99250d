// @match /throw-many-headers
// A rejection of thousands of fields.
// expect 500 threw
const headers = {};
for (let i = 0; i < 5000; i++) headers[`x-${i}`] = 'y';
throw { status: 400, headers, body: 'no' };
