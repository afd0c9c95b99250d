// @match GET /employees
// Gives each employee their three largest purchase orders and the sum of all they sold.
const money = require('./lib/money');

if (!Array.isArray(json)) return;
for (const employee of json) {
  if (!employee?.employee_id) continue;
  const orders = getResource('purchaseorders', {
    filter: 'salesrep_id = ' + employee.employee_id,
    order: 'amount_total desc',
  });
  employee.sold = money.sum(orders, 'amount_total');
  employee.largestOrders = orders.slice(0, 3);
}
