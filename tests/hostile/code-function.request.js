// @match /code-function
// Nor by a constructor.
// expect 500 error
new Function('while (true) {}')();
