// Adds what the customer pays.
const { withVat } = require('./lib/vat');
json.gross = withVat(json.net, json.country);
