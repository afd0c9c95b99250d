module.exports = async function main(g) {
  g.res.output = { saved: g.req.path.split('/')[2] };
};
