// @match /memory-symbols
// Symbols in the registry.
// expect 500 memory limit | 500 time limit
for (let i = 0; ; i++) Symbol.for(`s${i}`);
