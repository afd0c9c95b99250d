// @match /native-flatmap
// A native that walks a huge length and is never interrupted.
// expect 500 error
[1].flatMap(() => new Array(2 ** 32 - 1));
