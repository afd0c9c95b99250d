module.exports = async function main(g) {
  g.res.headers['x-ran'] += ' hook';
  if (g.res.statusCode === 200) return;
  throw 'must not run';
};
