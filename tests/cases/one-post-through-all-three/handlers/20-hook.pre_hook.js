// API Maker: a function of g.
module.exports = async function main(g) {
  if (g.req.body.uselessData !== undefined) throw 'the handler before should have taken it';
  g.shared.items = g.req.body.lines.reduce((sum, line) => sum + line.n, 0);
  g.shared.hooks = ['pre'];
  g.req.body.items = g.shared.items;
  delete g.req.query.debug;
};
