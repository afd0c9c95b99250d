// @match /code-hidden
// Nor by the constructors nobody names.
// expect 500 error
(async () => {}).constructor('while (true) {}')();
