// `log`, and what other systems call it.
(function ({ natives, stringify }) {
  const { Error, String } = globalThis;

  const show = (value) => {
    if (typeof value === 'string') return value;
    if (value instanceof Error) return value.stack ? `${value}\n${value.stack}` : String(value);
    if (typeof value === 'object' && value !== null) {
      try { return stringify(value) ?? String(value); } catch { return String(value); }
    }
    return String(value);
  };
  const writer = (level) => (...values) => {
    if (natives.logs(level)) natives.log(level, values.map(show).join(' '));
  };

  const log = {};
  for (const [name, level] of [
    ['error', 'error'], ['warning', 'warn'], ['warn', 'warn'], ['info', 'info'],
    ['debug', 'debug'], ['finer', 'trace'], ['finest', 'trace'],
  ]) {
    log[name] = writer(level);
    log[`is${name[0].toUpperCase()}${name.slice(1)}Enabled`] = () => natives.logs(level);
  }
  const print = writer('info');
  const console = { log: print, info: print, warn: writer('warn'), error: writer('error'), debug: writer('debug') };
  const logger = { ...console, warning: console.warn, trace: writer('trace') };
  return { log, print, out: { println: print, print }, console, logger };
})
