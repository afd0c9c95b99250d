// @match GET /feed
json.seen = true;
