// @match /host-loopback
// A host that isn't listed.
// expect 500 error | 500 host call failed
SysUtility.restGet('http://127.0.0.1:1/');
