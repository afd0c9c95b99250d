module.exports = async function main(g) {
  let items = 0;
  for (const line of g.req.body.lines) {
    items += line.n;
  }
  g.shared.items = items;
  g.shared.skus = g.req.body.lines.map(({ sku }) => sku);
  delete g.req.body.lines;
};
