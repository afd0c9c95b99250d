event.response.headers.allow = 'GET';
