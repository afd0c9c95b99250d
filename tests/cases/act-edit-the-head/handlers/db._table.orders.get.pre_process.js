// Caps the page, as a DreamFactory script does.
if (Number(event.request.parameters.limit) > 100) {
  event.request.parameters.limit = 100;
}
event.request.headers = { 'X-Drop': null, 'X-Tenant': 'north' };
event.request.uri = '/api/v2/db/_table/open_orders';
