async function main(g) {
  const { skip = '0', limit = '10' } = g.req.query;
  const data = g.res.output;
  if (!Array.isArray(data)) return;

  g.res.output = {
    success: true,
    statusCode: g.res.statusCode,
    data,
    count: data.length,
    page: Math.floor(Number(skip) / Number(limit)) + 1,
  };
}
module.exports = main;
