module.exports = async function main(g) {
  g.res.output = { from: 'hook' };
  g.res.statusCode = 203;
};
