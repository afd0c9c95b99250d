// Tells a client all that is wrong with an order at once, the worst first.
if (req.verb == 'POST' && req.resourceName == 'orders') {
  var order = JSON.parse(json);
  var errors = [];
  if (!order.customer) {
    errors.push({ code: 422, field: 'customer', message: 'an order needs a customer' });
  }
  order.lines.forEach(function (line, n) {
    if (!(line.quantity > 0)) {
      errors.push({ code: 409, field: 'lines[' + n + '].quantity', message: 'order some or none' });
    }
  });
  log.info('order with ' + errors.length + ' errors');
  if (errors.length > 0) throw errors;
}
