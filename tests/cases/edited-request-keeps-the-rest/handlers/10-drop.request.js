const data = JSON.parse(json);
delete data.shopState;
json = JSON.stringify(data);
