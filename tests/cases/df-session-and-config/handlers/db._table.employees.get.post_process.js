// Clerks see their own salary, managers every one.
var session = platform.session;
var isManager = session.role.name === 'manager';
event.response.content.resource.forEach(function (employee) {
  var isOwn = String(employee.id) === session.user.id;
  if (!isManager && !isOwn) {
    delete employee.salary;
  }
});
if (session.app.name !== undefined) throw 'no field was sent for it';
event.response.headers['X-Region'] = platform.config.region;
