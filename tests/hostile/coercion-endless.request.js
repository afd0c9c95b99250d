// @match /coercion-endless
// valueOf never returns.
// expect 500 time limit
+{ valueOf() { while (true) {} } };
