// Sums orders up by status, as DreamFactory scripts do with the lodash that comes with it.
var _ = require('lodash');

var orders = event.response.content.resource;
var first = _.cloneDeep(orders[0]);
first.lines.push('a copy');

var summary = _(orders)
  .filter(function (order) { return !_.includes(['void'], order.status); })
  .groupBy('status')
  .map(function (group, status) {
    return {
      status: status,
      count: group.length,
      total: _.round(_.sumBy(group, 'total'), 2),
      customers: _.chain(group).map('customer.name').uniq().sortBy().value()
    };
  })
  .orderBy(['count', 'status'], ['desc', 'asc'])
  .value();

var template;
try {
  template = _.template('hello <%= name %>')({ name: 'you' });
} catch (refused) {
  template = 'no code from text';
}

event.response.content = {
  resource: summary,
  meta: _.merge({ page: { size: 10 } }, { page: { number: _.get(event.request, 'parameters.page', 'none') } }),
  untouched: _.isEqual(orders[0].lines, ['a', 'b']) && _.isPlainObject(first) && first.lines.length === 3,
  names: _.mapValues(_.keyBy(orders, 'id'), _.partial(_.get, _, 'customer.name')),
  title: _.startCase(_.camelCase('orders by status')),
  template: template,
  text: String(_([1, 2]).map(function (n) { return n * 2; }))
};
return event;
