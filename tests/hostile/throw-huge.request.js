// @match /throw-huge
// Its message is huge.
// expect 400 | 500 memory limit | 500 threw | 500 error
throw 'x'.repeat(1e5);
