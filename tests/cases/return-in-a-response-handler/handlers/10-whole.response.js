return { rows: json };
