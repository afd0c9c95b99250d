const order = JSON.parse(json);
req.headers['X-City'] = order.customer.address.city;
