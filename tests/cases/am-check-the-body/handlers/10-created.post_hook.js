import { EStatusCode } from 'types';
module.exports = async (g) => {
  g.res.statusCode = EStatusCode.CREATED;
};
