module.exports = async function main(g) {
  g.req.query['getTotalCount'] = true;
  g.req.headers['x-hook'] = 'yes';
  if (g.req.method !== 'GET') throw 'method';
};
