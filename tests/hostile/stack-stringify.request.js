// @match /stack-stringify
// An answer too deep to be written.
// expect 500 error | 500 time limit
let deep = [];
for (let i = 0; i < 1e5; i++) deep = [deep];
return deep;
