json.next = exact(json, 'id') + 1n;
json.sum = exact(json.list, 0) + exact(json.list, 2);
json.seen = [typeof json.next, exact.text(json, 'price'), exact.text(json.list, 1), exact.text(json, 'next')];
json.copy = JSON.rawJSON(exact.text(json, 'price') + '0');
