// Every record belongs to the tenant that posts it, whatever it says.
var records = event.request.payload.resource;
if (!Array.isArray(records) || records.length === 0) {
  throw 'There are no records in the payload';
}
var tenant = event.request.headers['x-tenant'];
records.forEach(function (record, at) {
  if (!record.customer) {
    throw { status_code: 400, message: 'Record ' + at + ' has no customer' };
  }
  record.tenant = tenant;
  record.status = record.total > 10 ? 'review' : 'new';
});
