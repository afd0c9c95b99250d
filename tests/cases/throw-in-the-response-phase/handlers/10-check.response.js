if (json.customer.blocked) throw { status: 403, message: 'This customer is blocked' };
