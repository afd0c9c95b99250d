// @match /state-freeze
// Tries to change what others share.
// expect 200
const all = Object.getOwnPropertyNames(globalThis).map((name) => globalThis[name]).filter((it) => typeof it === 'function');
for (const it of all) {
  for (const target of [it, it.prototype]) {
    if (target === null || typeof target !== 'object' && typeof target !== 'function') continue;
    for (const key of Reflect.ownKeys(target)) {
      try { target[key] = () => 'mark'; } catch (error) {}
      try { delete target[key]; } catch (error) {}
      try { Object.defineProperty(target, key, { value: 'mark' }); } catch (error) {}
    }
    try { Object.setPrototypeOf(target, null); } catch (error) {}
  }
}
