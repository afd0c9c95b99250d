// Whoever changes an employee gets the portrait back with the summary.
if (req.verb == 'PUT' && req.resourceName == 'employee') {
  json.txsummary.filter(isChangedEmployee).forEach(function (row) {
    var found = getResource('employee_picture', { filter: 'employee_id = ' + row.employee_id });
    if (found.length > 0) row.portrait = found[0].picture;
  });
}

function isChangedEmployee(row) {
  var about = row['@metadata'];
  return about.verb == 'UPDATE' && about.resource == 'employee';
}
