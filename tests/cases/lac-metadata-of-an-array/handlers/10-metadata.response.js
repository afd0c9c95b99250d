// Shows rows without the upstream's notes, and with the verb they were asked for by.
var notes = new String(req.metadata_name);
if (Array.isArray(json)) json.forEach(simplify);
else simplify(json);

function simplify(row) {
  delete row[notes];
  row.TheVerb = new String(req.verb.name());
}
