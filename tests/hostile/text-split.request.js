// @match /text-split
// A search that takes the product of two lengths.
// expect 500 time limit | 500 error
const text = 'a'.repeat(1e6);
const part = 'a'.repeat(5e5) + 'b';
text.split(part);
while (true) {}
