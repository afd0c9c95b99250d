// @match GET /reports/*
const url = new URL(req.localBaseUrl + 'rates');
url.searchParams.set('of', req.query.currency);

const response = await fetch(url, { headers: { Accept: 'application/json' } });
if (!response.ok) throw { status: 502, message: 'no rates' };
json.rate = (await response.json()).rate;
res.headers['X-Rates'] = `${response.status} ${response.headers.get('Content-Type')}`;

const notes = await fetch('/notes', { method: 'POST', body: new URLSearchParams({ report: json.id }) });
json.notes = notes.status === 404 ? [] : await notes.json();
