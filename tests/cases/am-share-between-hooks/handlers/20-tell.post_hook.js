module.exports = async function main(g) {
  g.res.output.items = g.shared.items;
  g.res.output.customer = g.req.body.customer.id;
  g.res.headers['X-Skus'] = g.shared.skus.join();
};
