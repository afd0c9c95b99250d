// @match POST,PUT /**
// @onError skip
// Drops what our shop adds for itself and the old API would store for good.
if (!json) return;

let data;
try {
  data = JSON.parse(json);
} catch {
  return; // A form or a text: nothing of ours is in it.
}
for (const row of Array.isArray(data) ? data : [data]) {
  if (row) delete row.shopState;
}

// In a request `json` is text.
json = JSON.stringify(data);
