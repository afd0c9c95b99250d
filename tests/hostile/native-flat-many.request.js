// @match /native-flat-many
// Lists of holes, each within reason.
// expect 500 error
new Array(1000).fill(new Array(4e6)).flat();
