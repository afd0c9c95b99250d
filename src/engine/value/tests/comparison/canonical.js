// What is left for JSON of a value: enumerable members in the order of their keys, holes as `null`.
// Throws where there is a cycle.
(function canonical(value, path = []) {
    if (Object.is(value, -0)) return 0;
    if (typeof value === 'number' && !isFinite(value)) return String(value);
    if (typeof value !== 'object' || value === null) return value;
    if (path.includes(value)) throw new TypeError('cycle');
    path = [...path, value];
    const has_text = value => value !== undefined && typeof value !== 'function';
    if (Array.isArray(value)) return Array.from(value, item => has_text(item) ? canonical(item, path) : null);
    return Object.keys(value).sort().filter(key => has_text(value[key])).map(key => [key, canonical(value[key], path)]);
})
