json = { order: JSON.parse(json) };
