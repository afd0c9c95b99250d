// @match GET /invoices/*
module.exports = async function main(g) {
  const { statusCode, body } = await g.sys.system.callExternalApi({
    url: '/customers', method: 'GET', queryParams: { id: g.res.output.customer_id },
  });
  if (statusCode === 200) g.res.output.customer = body;
  delete g.res.output.customer_id;

  const [rates, missing] = await g.sys.system.callExternalApi([
    { url: '/rates', method: 'GET', timeout: 5000, headers: { accept: 'application/json' } },
    { type: 'parallel', data: [{ url: '/nothing', method: 'POST', body: { a: 1 } }] },
  ]);
  g.res.output.rates = rates.output.body;
  g.res.output.missing = missing.output.statusCode;
};
