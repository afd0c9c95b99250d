// @match POST /orders
// An order from somebody new creates the customer as well.
var order = JSON.parse(req.json);
var settings = { headers: { Authorization: 'CALiveAPICreator demo:1' } };
var answer = SysUtility.restPost(req.localFullBaseURL + 'customers', null, settings,
  JSON.stringify({ name: order.customer }));
json.customer_id = JSON.parse(answer).txsummary[0].customer_id;
