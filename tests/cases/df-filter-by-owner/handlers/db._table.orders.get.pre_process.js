var user = event.request.headers['x-user-id'];
if (!user) {
  event.setResponse({ error: { code: 401, message: 'Who are you?' } }, 401);
  return;
}
var own = '(owner = ' + Number(user) + ')';
var asked = event.request.parameters.filter;
event.request.parameters.filter = asked ? '(' + asked + ') and ' + own : own;
if (event.request.parameters.limit === undefined) {
  event.request.parameters.limit = '50';
}
