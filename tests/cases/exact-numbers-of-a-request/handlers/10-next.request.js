const data = JSON.parse(json);
data.account = exact(data, 'account') + 2n;
json = JSON.stringify(data);
