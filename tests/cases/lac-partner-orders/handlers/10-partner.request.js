// A partner hears of their own items only, in their own words.
if (req.resourceName == 'PartnerOrders') {
  var orders = JSON.parse(json);
  for (var n = 0; n < orders.length; n++) {
    orders[n].items = orders[n].lines.filter(isTheirs).map(forPartner);
    delete orders[n].lines;
  }
  log.debug('prepared ' + orders.length + ' orders');
  json = JSON.stringify(orders);
}

function isTheirs(line) {
  return line.supplier == 'Nordlys Tea';
}

function forPartner(line) {
  return { sku: line.product, pieces: line.quantity };
}
