// Does random things to the members of `json` that it is given the keys of, and says what it saw.
// `choices` is a number to begin with, or a list of bytes, the last one first; without more of them
// it comes to an end.
(function handler(json, allowed, choices) {
    let seed = typeof choices === 'number' ? choices : 0;
    const random = below => {
        if (seed === 0) return (choices.pop() ?? 0) % below;
        seed ^= seed << 13; seed ^= seed >>> 17; seed ^= seed << 5; seed >>>= 0;
        return seed % below;
    };
    const pick = list => list[random(list.length)];
    const KEYS = ['a', 'b', 'c', 'd', '1', '10', '__proto__', '\u00e9', '', 'toString', 'length', 'new'];
    // Not what both runs share.
    const shared = [null, Object.prototype, Array.prototype];
    const isContainer = value => typeof value === 'object' && !shared.includes(value);
    const within = (container, depth = 0) => {
        // A random container below this one, without looking at more than the way to it.
        if (depth > 4 || random(3) === 0) return container;
        const key = Array.isArray(container) ? random(container.length + 1) : random(3) ? pick(KEYS) : pick([...Object.keys(container), 'a']);
        const next = Object.hasOwn(container, key) ? container[key] : undefined;
        return isContainer(next) ? within(next, depth + 1) : container;
    };
    const start = () => {
        const value = json[pick(allowed)];
        return isContainer(value) ? within(value) : undefined;
    };
    const fresh = () => pick([() => 1, () => 'text \u00e9 "', () => null, () => true, () => random(100) / 4, () => [1, {x: 2}], () => ({a: {b: []}}), () => start() ?? 5])();
    const saw = [];
    const note = value => saw.push(isContainer(value) ? (Array.isArray(value) ? value.length : Object.keys(value).join()) : value);
    const acts = [
        (o, k) => note(o[k]),
        (o, k) => note(k in o),
        (o, k) => note(Object.keys(o)),
        (o, k) => { delete o[k] },
        (o, k) => { o[k] = fresh() },
        (o, k) => { o[k] = fresh() },
        (o, k) => { o[k] = o[k] },
        (o, k) => { const value = o[k]; delete o[k]; const other = start(); if (other && value !== undefined) other[k] = value },
        (o, k) => { if (typeof o[k] === 'number') o[k] = o[k] + 1 },
        (o, k) => { for (const key in o) if (random(4) === 0) delete o[key] },
        (o, k) => { if (!Array.isArray(o)) Object.assign(o, {...o, added: 1}) },
        (o, k) => { if (random(8) === 0) Object.freeze(o) },
        (o, k) => { if (random(8) === 0) Object.preventExtensions(o) },
        (o, k) => { if (random(4) === 0) note(Reflect.defineProperty(o, k, {value: fresh(), enumerable: random(2) === 0, writable: random(2) === 0})) },
        (o, k) => { if (random(4) === 0) note(Reflect.defineProperty(o, k, {get: () => 7, enumerable: true, configurable: true})) },
        (o, k) => note(Object.getOwnPropertyDescriptor(o, k)?.writable),
        (o, k) => note(JSON.stringify(Object.entries(o).map(([key, value]) => [key, typeof value]))),
        (o, k) => { const {a, ...rest} = o; note(rest) },
        (o, k) => { Object.setPrototypeOf(o, random(2) ? Object.getPrototypeOf(o) : null) },
    ];
    const arrays = [
        a => a.push(fresh()), a => note(a.pop()), a => note(a.shift()), a => a.unshift(fresh()),
        a => a.reverse(), a => a.splice(random(a.length + 1), random(3), fresh()), a => a.sort((x, y) => String(typeof x).localeCompare(typeof y)),
        a => note(a.map(x => typeof x).join()), a => note(a.indexOf(1)), a => { a.length = random(a.length + 2) }, a => { if (a.length) a[random(a.length)] = fresh() },
    ];
    const steps = random(12);
    for (let step = 0; step < steps; step++) {
        const target = start();
        try {
            if (target === undefined) { if (random(3) === 0) json[pick(allowed)] = fresh() }
            else if (Array.isArray(target) && random(4)) pick(arrays)(target);
            else pick(acts)(target, Array.isArray(target) ? random(target.length + 1) : pick(KEYS));
        } catch (error) {
            saw.push(error.constructor.name);
        }
    }
    return saw;
})
