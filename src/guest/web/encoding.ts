import type { WebHost, WebPart } from './web-host.ts';

/**
 * `TextEncoder` and `TextDecoder` (Encoding): UTF-8, UTF-16 and windows-1252, which is what the labels `latin1` and `ascii` mean.
 * Other encodings are refused by name. Evaluated inside the isolate, see `web-host.ts`.
 */
export function createEncoding(_host: WebHost, _scope: object): WebPart {
  const { fromCharCode } = String;
  const { apply } = Reflect;
  const { isView } = ArrayBuffer;
  const chunkSize = 4096;

  /** Writes UTF-8 until the text or the room is over. Lone surrogates become U+FFFD. */
  const write = (text: string, bytes: Uint8Array): { read: number; written: number } => {
    const room = bytes.length;
    let read = 0;
    let at = 0;
    while (read < text.length) {
      let point = text.charCodeAt(read);
      if (point < 0x80) {
        if (at >= room) break;
        bytes[at++] = point;
        read++;
        continue;
      }
      let units = 1;
      if (point >= 0xd800 && point <= 0xdfff) {
        const next = point <= 0xdbff && read + 1 < text.length ? text.charCodeAt(read + 1) : 0;
        if (next >= 0xdc00 && next <= 0xdfff) {
          point = 0x10000 + ((point - 0xd800) << 10) + (next - 0xdc00);
          units = 2;
        } else point = 0xfffd;
      }
      const size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
      if (at + size > room) break;
      if (size === 2) bytes[at++] = 0xc0 | (point >> 6);
      else {
        if (size === 3) bytes[at++] = 0xe0 | (point >> 12);
        else {
          bytes[at++] = 0xf0 | (point >> 18);
          bytes[at++] = 0x80 | ((point >> 12) & 63);
        }
        bytes[at++] = 0x80 | ((point >> 6) & 63);
      }
      bytes[at++] = 0x80 | (point & 63);
      read += units;
    }
    return { read, written: at };
  };

  const encodeUtf8 = (text: string): Uint8Array<ArrayBuffer> => {
    const bytes = new Uint8Array(text.length * 3);
    return bytes.slice(0, write(text, bytes).written);
  };

  class TextEncoder {
    get encoding(): string {
      return 'utf-8';
    }
    encode(text?: unknown): Uint8Array {
      return encodeUtf8(text === undefined ? '' : `${text as string}`);
    }
    encodeInto(text: unknown, into: unknown): { read: number; written: number } {
      if (!(into instanceof Uint8Array)) throw new TypeError('encodeInto writes into a Uint8Array');
      return write(`${text as string}`, into);
    }
    get [Symbol.toStringTag](): string {
      return 'TextEncoder';
    }
  }

  const utf8 = ['utf-8', 'utf8', 'unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'x-unicode20utf8'];
  const utf16le = ['utf-16le', 'utf-16', 'ucs-2', 'unicode', 'unicodefeff', 'iso-10646-ucs-2', 'csunicode'];
  const utf16be = ['utf-16be', 'unicodefffe'];
  const windows1252 = [
    ...['windows-1252', 'latin1', 'ascii', 'us-ascii', 'iso-8859-1', 'iso8859-1', 'iso88591', 'iso_8859-1', 'l1'],
    ...['ansi_x3.4-1968', 'cp1252', 'cp819', 'csisolatin1', 'ibm819', 'iso-ir-100', 'iso_8859-1:1987', 'x-cp1252'],
  ];
  const encodings = { 'utf-8': utf8, 'utf-16le': utf16le, 'utf-16be': utf16be, 'windows-1252': windows1252 };
  type Encoding = keyof typeof encodings;
  const encodingOf = (label: string): Encoding => {
    const wanted = label.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, '').toLowerCase();
    for (const name of Object.keys(encodings) as Encoding[]) if (encodings[name].includes(wanted)) return name;
    const known = Object.keys(encodings).join(', ');
    throw new RangeError(`TextDecoder knows ${known} here; got ${label.slice(0, 60)}`);
  };
  /** Of 0x80 to 0x9f; the others are what they are. */
  const highControls =
    '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178';

  /** Collects UTF-16 units into a text. */
  class Units {
    text = '';
    readonly #units = new Uint16Array(chunkSize);
    #count = 0;
    add(unit: number): void {
      if (this.#count === chunkSize) this.flush();
      this.#units[this.#count++] = unit;
    }
    addPoint(point: number): void {
      if (point < 0x10000) this.add(point);
      else {
        this.add(0xd800 + ((point - 0x10000) >> 10));
        this.add(0xdc00 + ((point - 0x10000) & 0x3ff));
      }
    }
    flush(): string {
      this.text += apply(fromCharCode, undefined, this.#units.subarray(0, this.#count));
      this.#count = 0;
      return this.text;
    }
  }

  const malformed = (encoding: string): Error => new TypeError(`the bytes are not valid ${encoding}`);

  /** Returns how many bytes at the end are the beginning of a character that is not whole. */
  const readUtf8 = (bytes: Uint8Array, units: Units, fatal: boolean, isLast: boolean): number => {
    const size = bytes.length;
    for (let at = 0; at < size; ) {
      const lead = bytes[at] as number;
      if (lead < 0x80) {
        units.add(lead);
        at++;
        continue;
      }
      const needed =
        lead >= 0xc2 && lead <= 0xdf ? 1 : lead >= 0xe0 && lead <= 0xef ? 2 : lead >= 0xf0 && lead <= 0xf4 ? 3 : 0;
      let point = needed === 1 ? lead & 31 : needed === 2 ? lead & 15 : lead & 7;
      let read = 1;
      // The second byte's range keeps out overlong forms, surrogates and what is above U+10FFFF.
      let low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
      let high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
      while (read <= needed && at + read < size) {
        const byte = bytes[at + read] as number;
        if (byte < low || byte > high) break;
        point = (point << 6) | (byte & 63);
        low = 0x80;
        high = 0xbf;
        read++;
      }
      if (needed > 0 && read > needed) units.addPoint(point);
      else if (needed > 0 && at + read === size && !isLast) return read;
      else if (fatal) throw malformed('utf-8');
      else units.add(0xfffd);
      at += read;
    }
    return 0;
  };

  const readUtf16 = (bytes: Uint8Array, units: Units, fatal: boolean, isLast: boolean, isBig: boolean): number => {
    const unitAt = (at: number): number =>
      isBig
        ? ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
        : (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    let at = 0;
    for (; at + 1 < bytes.length; at += 2) {
      const unit = unitAt(at);
      if (unit < 0xd800 || unit > 0xdfff) {
        units.add(unit);
        continue;
      }
      const isLead = unit <= 0xdbff;
      if (isLead && at + 3 >= bytes.length && !isLast) return bytes.length - at;
      const next = isLead && at + 3 < bytes.length ? unitAt(at + 2) : 0;
      if (next >= 0xdc00 && next <= 0xdfff) {
        units.add(unit);
        units.add(next);
        at += 2;
      } else if (fatal) throw malformed('utf-16');
      else units.add(0xfffd);
    }
    if (at === bytes.length) return 0;
    if (!isLast) return bytes.length - at;
    if (fatal) throw malformed('utf-16');
    units.add(0xfffd);
    return 0;
  };

  const read = (encoding: Encoding, bytes: Uint8Array, units: Units, fatal: boolean, isLast: boolean): number => {
    if (encoding === 'utf-8') return readUtf8(bytes, units, fatal, isLast);
    if (encoding !== 'windows-1252') return readUtf16(bytes, units, fatal, isLast, encoding === 'utf-16be');
    for (const byte of bytes) units.add(byte >= 0x80 && byte < 0xa0 ? highControls.charCodeAt(byte - 0x80) : byte);
    return 0;
  };

  const viewOf = (data: unknown): Uint8Array => {
    if (data === undefined) return new Uint8Array(0);
    if (isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    throw new TypeError('decode needs bytes: an ArrayBuffer, a typed array or a DataView');
  };

  class TextDecoder {
    readonly #encoding: Encoding;
    readonly #fatal: boolean;
    readonly #ignoreBom: boolean;
    #rest = new Uint8Array(0);
    #isInside = false;

    constructor(label: unknown = 'utf-8', options: { fatal?: unknown; ignoreBOM?: unknown } = {}) {
      this.#encoding = encodingOf(`${label as string}`);
      this.#fatal = Boolean(options?.fatal);
      this.#ignoreBom = Boolean(options?.ignoreBOM);
    }
    get encoding(): string {
      return this.#encoding;
    }
    get fatal(): boolean {
      return this.#fatal;
    }
    get ignoreBOM(): boolean {
      return this.#ignoreBom;
    }
    decode(data?: unknown, options: { stream?: unknown } = {}): string {
      const isLast = !options?.stream;
      const given = viewOf(data);
      let bytes = given;
      if (this.#rest.length > 0) {
        bytes = new Uint8Array(this.#rest.length + given.length);
        bytes.set(this.#rest);
        bytes.set(given, this.#rest.length);
      }
      this.#rest = new Uint8Array(0);
      const units = new Units();
      let left = 0;
      try {
        left = read(this.#encoding, bytes, units, this.#fatal, isLast);
      } catch (error) {
        this.#isInside = false;
        throw error;
      }
      let text = units.flush();
      if (left > 0) this.#rest = bytes.slice(bytes.length - left);
      if (text !== '') {
        const isFirst = !this.#isInside;
        this.#isInside = true;
        const skipsBom = isFirst && !this.#ignoreBom && this.#encoding !== 'windows-1252';
        if (skipsBom && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
      }
      if (isLast) this.#isInside = false;
      return text;
    }
    get [Symbol.toStringTag](): string {
      return 'TextDecoder';
    }
  }

  /** Without its byte order mark, as bodies are read; `decodeUtf8Whole` keeps it. */
  const decodeUtf8 = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  const decodeUtf8Whole = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  return { globals: { TextEncoder, TextDecoder }, shared: { encodeUtf8, decodeUtf8, decodeUtf8Whole } };
}
