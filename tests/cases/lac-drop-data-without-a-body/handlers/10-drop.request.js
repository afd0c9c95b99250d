// The shop sends what its own pages need; the upstream would store it for good.
if (!json) return;

var sent = JSON.parse(json);
(Array.isArray(sent) ? sent : [sent]).forEach(function (row) {
  delete row.shopState;
});
json = JSON.stringify(sent);
