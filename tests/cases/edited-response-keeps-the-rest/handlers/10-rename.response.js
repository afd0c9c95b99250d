json.name = 'new';
json.list[1] = true;
