/**
 * Writes the messages of one commit batch straight into the bytes that go out (protocol 3.0,
 * https://www.postgresql.org/docs/18/protocol-message-formats.html). The driver would turn each array into text, escape it, and
 * copy it twice; a binary array is a header and length-prefixed bytes:
 *
 *   | size of the value | dimensions = 1 | has nulls | element type | count | lower bound = 1 | element … |
 *     i32                 i32              i32         u32            i32     i32               i32 size (-1: null), bytes
 */

export const elementType = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  float8: 701,
  uuid: 2950,
} as const;
export type ElementType = keyof typeof elementType;

const letter = { bind: 0x42, execute: 0x45, sync: 0x53 } as const;
const initialSize = 256 * 1024;
/** A buffer that one huge row made larger than this is not kept. */
const keptSizeMax = 16 * 1024 * 1024;

const closingBrace = 0x7d;
const openingBrace = 0x7b;
const bodyMember = Buffer.from('"body":');
const comma = 0x2c;

/**
 * One buffer, used again for every batch of its connection: the server has read all of a batch before it answers the last of it.
 */
export class MessageWriter {
  #buffer: Buffer = Buffer.allocUnsafeSlow(initialSize);
  #end = 0;
  #messageAt = 0;
  #arrayAt = 0;

  /** Starts a new batch. */
  reset(): void {
    this.#end = 0;
    if (this.#buffer.length > keptSizeMax) this.#buffer = Buffer.allocUnsafeSlow(initialSize);
  }

  /** The batch; valid until the next `reset`. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#end);
  }

  /** Opens the Bind of a prepared statement whose parameters follow, all in binary. */
  beginBind(statement: string, parameters: number): void {
    this.#reserve(64 + statement.length);
    this.#buffer[this.#end++] = letter.bind;
    this.#messageAt = this.#end;
    this.#end += 4;
    // The unnamed portal.
    this.#buffer[this.#end++] = 0;
    this.#end += this.#buffer.write(statement, this.#end, 'latin1');
    this.#buffer[this.#end++] = 0;
    this.#int16(1);
    this.#int16(1);
    this.#int16(parameters);
  }

  /** Closes the Bind, asks for results as text, and runs it. */
  endBindAndExecute(): void {
    this.#reserve(16);
    this.#int16(0);
    this.#buffer.writeInt32BE(this.#end - this.#messageAt, this.#messageAt);
    this.#buffer[this.#end++] = letter.execute;
    this.#int32(9);
    this.#buffer[this.#end++] = 0;
    // No limit on rows.
    this.#int32(0);
  }

  /** Ends the transaction: everything since the last Sync is committed, or undone if any of it failed. */
  sync(): void {
    this.#reserve(8);
    this.#buffer[this.#end++] = letter.sync;
    this.#int32(4);
  }

  beginArray(type: ElementType, count: number): void {
    this.#reserve(32);
    this.#arrayAt = this.#end;
    this.#end += 4;
    this.#int32(1);
    // PostgreSQL looks for nulls itself; this flag only has to be 0 or 1.
    this.#int32(1);
    this.#int32(elementType[type]);
    this.#int32(count);
    this.#int32(1);
  }

  endArray(): void {
    this.#buffer.writeInt32BE(this.#end - this.#arrayAt - 4, this.#arrayAt);
  }

  // Elements and scalar parameters have the same form: a length and the value.

  null(): void {
    this.#reserve(4);
    this.#int32(-1);
  }

  bool(value: boolean): void {
    this.#reserve(8);
    this.#int32(1);
    this.#buffer[this.#end++] = value ? 1 : 0;
  }

  int2(value: number): void {
    this.#reserve(8);
    this.#int32(2);
    this.#int16(value);
  }

  /** Beyond the range it is clamped: what is counted in it is a duration. */
  int4(value: number): void {
    this.#reserve(8);
    this.#int32(4);
    this.#int32(Math.round(Math.min(Math.max(value, -0x8000_0000), 0x7fff_ffff)));
  }

  int8(value: number): void {
    this.#reserve(12);
    this.#int32(8);
    const whole = Math.round(value);
    this.#int32(Math.floor(whole / 0x1_0000_0000));
    this.#int32(whole >>> 0);
  }

  float8(value: number): void {
    this.#reserve(12);
    this.#int32(8);
    this.#end = this.#buffer.writeDoubleBE(value, this.#end);
  }

  /** @throws RangeError when the text is not a UUID: it would otherwise become another one. */
  uuid(text: string): void {
    this.#reserve(20);
    this.#int32(16);
    const buffer = this.#buffer;
    let at = this.#end;
    for (let i = 0; i < 36; ) {
      if (i === 8 || i === 13 || i === 18 || i === 23) {
        if (text.charCodeAt(i) !== 0x2d) throw new RangeError(`'${text}' is not a UUID`);
        i++;
        continue;
      }
      const digits = (hexDigit(text.charCodeAt(i)) << 4) | hexDigit(text.charCodeAt(i + 1));
      if (digits < 0) throw new RangeError(`'${text}' is not a UUID`);
      buffer[at++] = digits;
      i += 2;
    }
    if (text.length !== 36) throw new RangeError(`'${text}' is not a UUID`);
    this.#end = at;
  }

  /** `text` or `bytea`. A lone surrogate becomes U+FFFD. */
  data(value: string | Uint8Array): void {
    if (typeof value !== 'string') {
      this.#reserve(4 + value.length);
      this.#int32(value.length);
      this.#buffer.set(value, this.#end);
      this.#end += value.length;
      return;
    }
    const at = this.#beginData(value.length * 3);
    this.#end += this.#buffer.write(value, this.#end, 'utf8');
    this.#endData(at);
  }

  /** `text`: without U+0000, which no `text` of PostgreSQL holds. */
  text(value: string): void {
    this.data(value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value);
  }

  /** `bytea`: the object `head` with the member `body` put at its end, without parsing either. */
  objectWithBody(head: string | Uint8Array, body: string | Uint8Array): void {
    const at = this.#beginData((typeof head === 'string' ? head.length * 3 : head.length) + 16 + body.length * 3);
    const headAt = this.#end;
    this.#append(head);
    const buffer = this.#buffer;
    let brace = this.#end - 1;
    while (brace > headAt && buffer[brace] !== closingBrace) brace--;
    let before = brace - 1;
    while (before > headAt && (buffer[before] as number) <= 0x20) before--;
    this.#end = brace;
    if (buffer[before] !== openingBrace) buffer[this.#end++] = comma;
    buffer.set(bodyMember, this.#end);
    this.#end += bodyMember.length;
    this.#append(body);
    buffer[this.#end++] = closingBrace;
    this.#endData(at);
  }

  #append(value: string | Uint8Array): void {
    if (typeof value === 'string') {
      this.#end += this.#buffer.write(value, this.#end, 'utf8');
    } else {
      this.#buffer.set(value, this.#end);
      this.#end += value.length;
    }
  }

  #beginData(sizeMax: number): number {
    this.#reserve(4 + sizeMax);
    const at = this.#end;
    this.#end += 4;
    return at;
  }

  #endData(at: number): void {
    this.#buffer.writeInt32BE(this.#end - at - 4, at);
  }

  #int16(value: number): void {
    this.#buffer[this.#end++] = value >> 8;
    this.#buffer[this.#end++] = value;
  }

  #int32(value: number): void {
    const buffer = this.#buffer;
    const at = this.#end;
    buffer[at] = value >> 24;
    buffer[at + 1] = value >> 16;
    buffer[at + 2] = value >> 8;
    buffer[at + 3] = value;
    this.#end = at + 4;
  }

  #reserve(size: number): void {
    if (this.#end + size <= this.#buffer.length) return;
    const next = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#end + size));
    next.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = next;
  }
}

/** -1 for what is not a lower- or upper-case hexadecimal digit. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
