// @match /promise-unhandled
// A rejection that nobody handles is a throw.
// expect 400
Promise.reject("refused");
