return { request: { headers: { 'x-later': 'ran' } } };
