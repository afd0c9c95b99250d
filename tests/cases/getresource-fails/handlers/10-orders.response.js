json.orders = getResource('orders');
