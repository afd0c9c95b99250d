var order = event.response.content;
var found = platform.api.get('db/_table/customers/' + order.customer_id, null, { parameters: { fields: 'id,name' } });
if (found.status_code === 200) {
  order.customer = found.content;
}
var stock;
platform.api.get('db/_table/stock/' + event.resource['{id}'], null, function (body, response) {
  stock = response.statusCode === 200 ? JSON.parse(body).left : 'none';
});
order.stock = stock;
