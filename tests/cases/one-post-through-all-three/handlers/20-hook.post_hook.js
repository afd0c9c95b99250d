// API Maker: the output is what the handler before left.
module.exports = async function main(g) {
  g.shared.hooks.push('post');
  g.res.output = { order: g.res.output, hooks: g.shared.hooks };
  g.res.headers['x-trace'] += ' am';
  g.res.headers['X-Items'] = String(g.shared.items);
};
