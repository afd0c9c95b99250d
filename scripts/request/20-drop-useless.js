// @match POST,PUT /**
// Drops what our shop adds for itself and the old API would store for good.
if (!json) return;

const data = JSON.parse(json);
for (const row of Array.isArray(data) ? data : [data]) {
  delete row.shopState;
}

// In a request `json` is text.
json = JSON.stringify(data);
