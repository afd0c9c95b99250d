import * as T from 'types';
module.exports = async function main(g) {
  g.res.statusCode = 202;
  return { price: 1.5, cached: true };
};
