// @match POST,PUT /orders/**
const order = JSON.parse(json);
if (!order.customer) throw { status: 422, message: 'An order needs a customer' };
