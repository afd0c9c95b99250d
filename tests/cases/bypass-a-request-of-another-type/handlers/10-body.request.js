json = json.replace('a', 'b');
