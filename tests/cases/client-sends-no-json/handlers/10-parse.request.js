// @match POST /orders
const order = JSON.parse(json);
req.headers['X-Total'] = String(order.total);
