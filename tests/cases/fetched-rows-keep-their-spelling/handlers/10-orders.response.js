json.orders = getResource('orders', { filter: 'customer_id = ' + json.id });
