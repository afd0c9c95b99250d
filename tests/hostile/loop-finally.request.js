// @match /loop-finally
// Nor outlived in a finally.
// expect 500 time limit
try { while (true) {} } finally { while (true) {} }
