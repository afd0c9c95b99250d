var hidden = { customers: ['card'], employees: ['salary'] };
var table = event.resource['{table_name}'];
var columns = hidden[table] || [];
var rows = event.response.content.resource || [event.response.content];
rows.forEach(function (row) {
  columns.forEach(function (column) {
    if (typeof row[column] === 'string') {
      row[column] = '****' + row[column].slice(-4);
    }
  });
});
event.response.headers['X-Table'] = table;
