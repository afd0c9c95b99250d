// @match /host-metadata
// The address of cloud credentials.
// expect 500 error | 500 host call failed
SysUtility.restGet('http://169.254.169.254/latest/meta-data/');
