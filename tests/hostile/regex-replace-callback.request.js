// @match /regex-replace-callback
// A callback that never ends.
// expect 500 time limit
'aaaa'.replace(/a/g, () => { while (true) {} });
