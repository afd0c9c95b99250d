// @match /native-typed-join
// A native that walks a huge length and is never interrupted.
// expect 500 error | 500 memory limit | 500 time limit
new Uint8Array(5e7).join();
