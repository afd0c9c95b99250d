json.seen = true;
