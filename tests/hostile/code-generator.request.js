// @match /code-generator
// Nor by the generators'.
// expect 500 error
(function* () {}).constructor('while (true) {}')();
