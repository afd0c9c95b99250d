// @match /promise-await-loop
// The same with await.
// expect 500 time limit
for (;;) await null;
