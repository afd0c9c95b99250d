// @match /code-eval
// No code from text.
// expect 500 error
eval('1');
