// @match POST /orders
if (JSON.parse(json).admin) throw 'no';
