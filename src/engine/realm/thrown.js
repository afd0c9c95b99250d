// What a thrown value means (CONTRACT §6).
(function ({ stringify }, { failures }) {
  const { Array, Error, Number, Object, String } = globalThis;

  const mistakes = ['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError', 'EvalError', 'URIError', 'AggregateError', 'InternalError']
    .map((name) => globalThis[name]).filter((it) => it !== undefined);

  const wholeStatus = (value) => {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    return Number.isInteger(number) && number >= 400 && number <= 599 ? number : undefined;
  };
  const statusOf = (thrown) => wholeStatus(thrown.status) ?? wholeStatus(thrown.statusCode)
    ?? wholeStatus(thrown.status_code) ?? wholeStatus(thrown.code) ?? 400;
  const messageOf = (thrown) => {
    const message = thrown.message ?? thrown.errorMessage;
    return message === undefined || message === null ? '' : String(message);
  };

  // Runs within the handler's limits: a getter or a Proxy may do anything.
  return (thrown) => {
    if (typeof thrown === 'string') return { fault: 'handler', status: 400, message: thrown };
    if (typeof thrown !== 'object' || thrown === null) {
      return { fault: 'script', cause: 'thrown', status: 500, message: `threw ${String(thrown)}, which is no string, Error or object` };
    }
    if (failures.has(thrown)) {
      return { fault: 'host', status: failures.get(thrown), message: thrown.message, stack: thrown.stack };
    }
    // One look spares most rejections, which are objects of the script's own, all others.
    if (thrown instanceof Error && mistakes.some((Mistake) => thrown instanceof Mistake)) {
      const { name, message, stack } = thrown;
      return { fault: 'script', cause: 'error', status: 500, message: `${name}: ${message}`, name: String(name), stack: String(stack ?? '') };
    }
    if (Array.isArray(thrown)) {
      const first = thrown[0] ?? {};
      return { fault: 'handler', status: wholeStatus(first.code) ?? 400, message: messageOf(first), errors: stringify(thrown) };
    }
    const described = { fault: 'handler', status: statusOf(thrown), message: messageOf(thrown) };
    if (Object.hasOwn(thrown, 'code')) described.code = stringify(thrown.code);
    if (Object.hasOwn(thrown, 'body')) {
      described.hasBody = true;
      described.body = thrown.body;
      described.headers = thrown.headers ?? {};
    }
    return described;
  };
})
