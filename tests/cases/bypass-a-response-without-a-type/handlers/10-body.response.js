// @match GET /page
json.seen = true;
