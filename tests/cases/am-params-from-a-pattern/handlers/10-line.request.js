// @match GET /customers
// @match GET,PUT /customers/{customerId}/orders/{orderId}/**
// Lets customers see their own orders only: the parts in braces are g.req.params, and event.resource.
module.exports = async function main(g) {
  const { customerId, orderId } = g.req.params;
  if (customerId === undefined) return;
  if (customerId !== g.req.headers['x-customer']) {
    throw { status: 403, message: `order ${orderId} is not yours` };
  }
  if (event.resource['{orderId}'] !== orderId) throw new TypeError('two views differ');
  g.shared.order = { customer: customerId, number: Number(orderId) };
};
