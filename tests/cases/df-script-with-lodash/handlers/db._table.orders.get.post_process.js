var _ = require('lodash');

var groups = _.groupBy(event.response.content.resource, 'status');
event.response.content = {
  resource: _.map(groups, function (orders, status) {
    return { status: status, count: orders.length };
  })
};
return event;
