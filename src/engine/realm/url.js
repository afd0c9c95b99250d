// `URL` and `URLSearchParams` (WHATWG). The work is done by natives: an address is parsed to a
// list of its parts, and a part is written by parsing the whole anew.
(function (core) {
  const natives = core.natives.web('url');
  const { Object, String, Symbol, TypeError } = globalThis;
  // A `USVString`: the other half of this rule stands where texts leave JavaScript.
  const usv = (value) => String(value).toWellFormed();

  // `URL` reaches its parameters' privates through these: they are told of a new query, and tell it.
  let linked;
  let reread;

  class URLSearchParams {
    static {
      linked = (query, changed) => {
        const parameters = new URLSearchParams(query);
        parameters.#changed = changed;
        return parameters;
      };
      reread = (parameters, query) => { parameters.#pairs = natives.parseQuery(query); };
    }

    #pairs;
    #changed = () => {};

    constructor(init = '') {
      if (typeof init === 'object' && init !== null) {
        const pairs = typeof init[Symbol.iterator] === 'function' ? [...init] : Object.entries(init);
        this.#pairs = pairs.map(([name, value]) => [usv(name), usv(value)]);
      } else {
        this.#pairs = natives.parseQuery(String(init).replace(/^\?/, ''));
      }
    }

    get size() { return this.#pairs.length; }
    get(name) {
      const wanted = usv(name);
      return this.#pairs.find(([key]) => key === wanted)?.[1] ?? null;
    }

    getAll(name) {
      const wanted = usv(name);
      return this.#pairs.filter(([key]) => key === wanted).map(([, value]) => value);
    }

    has(name, value) {
      const wanted = usv(name);
      const text = value === undefined ? undefined : usv(value);
      return this.#pairs.some((pair) => pair[0] === wanted && (text === undefined || pair[1] === text));
    }

    append(name, value) {
      const pair = [usv(name), usv(value)];
      this.#pairs.push(pair);
      this.#changed();
    }

    set(name, value) {
      const key = usv(name);
      const at = this.#pairs.findIndex((pair) => pair[0] === key);
      if (at < 0) return this.append(key, value);
      this.#become(this.#pairs
        .filter((pair, here) => pair[0] !== key || here === at)
        .map((pair) => (pair[0] === key ? [key, usv(value)] : pair)));
    }

    delete(name, value) {
      const unwanted = usv(name);
      const text = value === undefined ? undefined : usv(value);
      this.#become(this.#pairs.filter((pair) => pair[0] !== unwanted || (text !== undefined && pair[1] !== text)));
    }

    sort() { this.#become([...this.#pairs].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))); }
    forEach(visit, self) { for (const [name, value] of this) visit.call(self, value, name, this); }
    *keys() { for (const [name] of this.#pairs) yield name; }
    *values() { for (const [, value] of this.#pairs) yield value; }
    *entries() { for (const [name, value] of this.#pairs) yield [name, value]; }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return natives.writeQuery(this.#pairs); }

    #become(pairs) {
      this.#pairs = pairs;
      this.#changed();
    }
  }

  const PARTS = ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];

  let read;
  let write;

  class URL {
    static {
      read = (url, at) => url.#fresh()[at];
      write = (url, name, value) => {
        if (name === 'href') {
          url.#parts = new URL(value).#parts;
          url.#isStale = false;
        } else {
          url.#fresh();
          url.#write(name, value);
        }
        reread(url.#searchParams, url.search.slice(1));
      };
    }

    #parts;
    #searchParams;
    // Whether the parameters were written since the parts were: many writes in a row are one.
    #isStale = false;

    constructor(url, base) {
      this.#parts = natives.parseUrl(String(url), base === undefined ? undefined : String(base));
      if (this.#parts === undefined) throw new TypeError(`${url} is no URL`);
      this.#searchParams = linked(this.search.slice(1), () => { this.#isStale = true; });
    }

    static canParse(url, base) { return natives.parseUrl(String(url), base === undefined ? undefined : String(base)) !== undefined; }
    static parse(url, base) { return URL.canParse(url, base) ? new URL(url, base) : null; }
    get searchParams() { return this.#searchParams; }
    toString() { return this.href; }
    toJSON() { return this.href; }

    #fresh() {
      if (this.#isStale) {
        this.#isStale = false;
        this.#write('search', String(this.#searchParams));
      }
      return this.#parts;
    }

    // What can't be written so is left as it was, as the standard has it.
    #write(name, value) { this.#parts = natives.writeUrl(this.href, name, value) ?? this.#parts; }
  }

  PARTS.forEach((name, at) => {
    Object.defineProperty(URL.prototype, name, {
      get() { return read(this, at); },
      set: name === 'origin' ? undefined : function (value) { write(this, name, String(value)); },
      enumerable: true,
      configurable: true,
    });
  });
  return { URL, URLSearchParams };
})
