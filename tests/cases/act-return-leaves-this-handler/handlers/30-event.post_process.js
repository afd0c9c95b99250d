event.response.headers['x-ran'] += ' event';
return null;
