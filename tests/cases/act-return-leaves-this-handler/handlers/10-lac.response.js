res.headers['X-Ran'] = 'lac';
return;
throw 'must not run';
