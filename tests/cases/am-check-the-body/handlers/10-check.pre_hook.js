import * as T from 'types';
import * as db from 'db-interfaces';

async function main(g) {
  const employee = g.req.body;
  if (!employee || Array.isArray(employee)) {
    throw { statusCode: T.EStatusCode.BAD_REQUEST, message: 'one employee, please' };
  }
  if (!(employee.salary >= 0)) {
    throw { statusCode: T.EStatusCode.BAD_REQUEST, message: 'salary must be a number' };
  }
  employee.first_name = employee.first_name.trim();
  employee.source = 'api';
  g.logger.log('checked', employee.first_name);
};
module.exports = main;
