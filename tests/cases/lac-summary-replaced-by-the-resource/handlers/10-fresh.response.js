// Answers a change with the row as it is now.
if (req.verb == 'PUT' && req.resourceName == 'employee') {
  json = getResource('employee', { filter: 'employee_id = ' + json.txsummary[0].employee_id });
}
