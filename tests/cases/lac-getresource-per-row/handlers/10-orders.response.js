// A list of employees tells what each of them sold, the largest orders first.
if (req.verb == 'GET' && req.resourceName == 'employee') {
  json.forEach(function (employee) {
    employee.sales = getResource('purchaseorders', {
      filter: 'salesrep_id = ' + employee.employee_id,
      order: 'amount_total desc',
      pagesize: 30,
      offset: 0,
      verbose: false
    });
  });
}
