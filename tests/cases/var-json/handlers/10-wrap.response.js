var json = { rows: json };
