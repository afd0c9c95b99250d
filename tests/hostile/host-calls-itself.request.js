// @match /host-calls-itself
// Calls its own path: it is left out of the call, which reaches the upstream.
// expect 200
return SysUtility.restGet('/host-calls-itself');
