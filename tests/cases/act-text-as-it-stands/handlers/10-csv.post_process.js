var lines = ['id,total'];
event.response.content.forEach(function (row) {
  lines.push([row.id, row.total].join(','));
});
event.setResponse(lines.join('\n'), 200, 'csv');
