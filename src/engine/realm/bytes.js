// `TextEncoder`, `TextDecoder`, `atob`, `btoa`.
(function (core) {
  const natives = core.natives.web('bytes');
  const { ArrayBuffer, RangeError, String, TypeError, Uint8Array } = globalThis;

  // The bytes of a buffer or of a view of one; `null` for anything else.
  const bytesOf = (data) => {
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : null;
  };
  const decode = (bytes, isFatal, keepsMark) => {
    const text = natives.decode(bytes, keepsMark);
    if (isFatal && !natives.isUtf8(bytes)) throw new TypeError('the bytes are no UTF-8');
    return text;
  };

  class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text = '') { return natives.encode(String(text)); }
  }

  class TextDecoder {
    #isFatal;
    #keepsMark;

    constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
      if (!['utf-8', 'utf8'].includes(String(label).trim().toLowerCase())) throw new RangeError(`${label} is not known; only utf-8 is`);
      this.#isFatal = fatal;
      this.#keepsMark = ignoreBOM;
    }

    get encoding() { return 'utf-8'; }
    get fatal() { return this.#isFatal; }
    get ignoreBOM() { return this.#keepsMark; }

    decode(data) {
      if (data === undefined) return '';
      const bytes = bytesOf(data);
      if (bytes === null) throw new TypeError('there are no bytes to decode');
      return decode(bytes, this.#isFatal, this.#keepsMark);
    }
  }

  const { atob, btoa, encode } = natives;
  return { TextEncoder, TextDecoder, atob, btoa, bytesOf, decode, encode };
})
