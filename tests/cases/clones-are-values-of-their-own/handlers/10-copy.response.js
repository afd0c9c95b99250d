const clone = structuredClone(json.company);
clone.tags.push('c');
const spread = { ...json.company, tags: [] };
const { id, ...rest } = json.company;
rest.tags = null;
json.copies = [clone, spread, rest, id];
