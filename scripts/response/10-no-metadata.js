// @match GET /**
// @onError skip
// Leaves out what only the old API's own clients need, and says how the row was asked for.
for (const row of Array.isArray(json) ? json : [json]) {
  if (row === null || typeof row !== 'object') continue;
  delete row[req.metadata_name];
  row.TheVerb = req.verb;
}
