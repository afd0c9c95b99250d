// @match /orders
event.request.payload.from = 'value';
event.request.content = '{"from":"text"}';
json = '{"from":"json"}';
