// Sets, replaces and removes fields, whatever their case.
res.headers['X-New'] = 'new';
res.headers['x-old'] = 'replaced';
delete res.headers['X-POWERED-BY'];
res.headers['X-List'] = ['one', 'two'];
res.headers['X-Cookies'] = String(res.headers['set-cookie'].length);
res.headers['Content-Length'] = '1';
res.status = 202;
