var json = json.split('EUR').join('USD');
