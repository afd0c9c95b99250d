// DreamFactory: the event of one table.
var order = event.request.payload;
if (order.items !== 2) {
  throw 'the hook before should have counted: ' + event.request.content;
}
order.owner = event.request.headers['x-user-id'];
event.request.headers['x-event'] = event.event_name;
event.request.parameters.limit = null;
