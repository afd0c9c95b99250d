// @match /stack-native-recursion
// Calls itself by way of a native.
// expect 500 error
const deeper = () => [1].map(deeper);
deeper();
