// @match /{collection}/*/orders/{id}/**
// Says beside the rows whose they are.
module.exports = async (g) => {
  g.res.output.from = `${g.req.params.collection} ${g.shared.order.customer}`;
  g.res.output.order = g.shared.order.number;
  g.res.output.same = g.req.params.id === String(g.shared.order.number);
};
