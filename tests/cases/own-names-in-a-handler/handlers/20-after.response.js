json.leaked = typeof i;
