json = JSON.stringify(Object.assign(JSON.parse(json), { seen: 1 }));
