// @match GET /orders
json.seen = true;
