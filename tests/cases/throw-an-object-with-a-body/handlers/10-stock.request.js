throw {
  status: 409,
  headers: { 'X-Reason': 'stock' },
  body: { reason: 'sold out', again: null },
};
