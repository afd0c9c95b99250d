// @match /loop-recursive-catch
// Each overflow of the stack is caught and tried again.
// expect 500 time limit
function deeper() { try { deeper(); } catch (error) { deeper(); } }
deeper();
