// @match /marks-normalize
// A letter under a hundred thousand marks, which take the square of that to be put in order.
// expect 500 error
('a' + '\u0301\u0323'.repeat(1e5)).normalize('NFD');
