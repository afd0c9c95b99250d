module.exports = async function main(g) {
  if (!(g.req.body.quantity > 0)) {
    throw { statusCode: 422, message: 'quantity must be positive' };
  }
};
