// `exact`: all digits of a number, by the place where it stands in a body.
(function ({ natives }) {
  const { BigInt, Number, RangeError, String, TypeError } = globalThis;

  // The longest number that becomes a BigInt: making one takes a time that grows with the square.
  const MOST_DIGITS = 4096;

  // The text of a number, as the body has it. A number whose digits are not known any more is an
  // error, never a guess.
  const digits = (object, key) => {
    const value = object[key];
    if (typeof value === 'bigint') return String(value);
    if (typeof value !== 'number') throw new TypeError(`exact: ${String(key)} is no number`);
    const spelled = natives.spelled(object, key);
    if (typeof spelled === 'string') return spelled;
    const isRounded = Number.isInteger(value) ? !Number.isSafeInteger(value) : !Number.isFinite(value);
    if (spelled === null || isRounded) {
      throw new TypeError(`exact: the digits of ${String(key)} are lost; ask for the number where it stands in the body`);
    }
    return String(value);
  };
  const exact = (object, key) => {
    const text = digits(object, key);
    const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(text);
    const all = whole + fraction;
    // Where the point stands among all the digits.
    const point = whole.length + Number(exponent);
    if (/[1-9]/.test(all.slice(point < 0 ? 0 : point))) {
      throw new TypeError(`exact: ${String(key)} is no whole number; exact.text gives its digits`);
    }
    if (!/[1-9]/.test(all)) return 0n;
    if (point > MOST_DIGITS) throw new RangeError(`exact: ${String(key)} has more than ${MOST_DIGITS} digits`);
    return BigInt(sign + all.slice(0, point).padEnd(point, '0'));
  };
  exact.text = digits;
  return { exact };
})
