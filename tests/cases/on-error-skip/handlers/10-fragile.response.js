// @onError skip
json.half = true;
json.customer.name.trim();
