module.exports = (g) => { g.res.statusCode = 202; };
