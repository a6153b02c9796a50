/**
 * Frames on the socket between the gateway and a runner.
 *
 *   offset  0        4     5      6      7   8        16  20  24       32
 *           | length | type | flags | parts | 0 | run    | a | b | timeMs | length of each part (u32) | the parts
 *            u32      u8     u8      u8          f64      u32 u32 f64
 *
 * All little-endian. `length` counts the whole frame. `run` is the dispatch token: it is unique in the gateway's life, so it is
 * also the generation; a frame whose token is not current is dropped by whoever gets it. Parts are UTF-8.
 */

export const frameType = {
  // gateway → runner
  configure: 1,
  program: 2,
  start: 3,
  deliver: 4,
  drop: 5,
  /** `a` VMs at most, `b` of them kept warm. */
  resize: 7,
  /** All VMs together take too much memory: give up the one that is needed last. */
  relieve: 8,
  // both ways: the gateway ends a write with it, the runner sends it back when it has come that far
  mark: 6,
  // runner → gateway
  ready: 16,
  segment: 17,
  end: 18,
  badBody: 19,
  loss: 20,
  pool: 21,
  /** The run has left its VM: it comes back by replay. */
  evicted: 22,
  /** `timeMs` of CPU in the segment whose answer follows: measured when it took long. */
  cpu: 23,
} as const;

/**
 * `flags` of a start frame:
 *   careful     announce each of its segments alone, whatever its program is known for
 *   returning   it was here before: the results that it asks for first are known, and follow at once
 */
export const startFlag = { careful: 1, returning: 2 } as const;
/** `flags` of a deliver frame. */
export const deliverFlag = { replay: 1 } as const;
/** `flags` of an end frame. */
export const endFlag = { failed: 1 } as const;
/** `a` of a loss frame: why the runner gave the run up. */
export const lossReason = { lost: 0, timedOut: 1, cpuLimit: 2, memory: 3, poolExhausted: 4, interrupted: 5 } as const;

const headerSize = 32;
/** A frame larger than this is a defect or an attack: the connection is given up. Sum: 64 MiB journal + input + slack. */
export const frameSizeMax = 80 * 1024 * 1024;
const chunkSize = 256 * 1024;

/**
 * Collects the frames of one turn of the event loop into one buffer, so that a turn costs one write. The buffer is handed out by
 * `take` and never written again.
 */
export class FrameWriter {
  #buffer: Buffer = Buffer.allocUnsafeSlow(chunkSize);
  #start = 0;
  #end = 0;

  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  write(
    type: number,
    flags: number,
    run: number,
    a: number,
    b: number,
    timeMs: number,
    parts: readonly (string | Uint8Array)[],
  ): void {
    const count = parts.length;
    let bound = headerSize + 4 * count;
    for (let i = 0; i < count; i++) {
      const part = parts[i] as string | Uint8Array;
      // A UTF-16 code unit is at most three bytes of UTF-8: reserving that saves a pass that would measure the text.
      bound += typeof part === 'string' ? part.length * 3 : part.length;
    }
    this.#reserve(bound);
    const buffer = this.#buffer;
    const at = this.#end;
    let offset = at + headerSize + 4 * count;
    for (let i = 0; i < count; i++) {
      const part = parts[i] as string | Uint8Array;
      let size: number;
      if (typeof part === 'string') {
        size = part.length === 0 ? 0 : buffer.write(part, offset, 'utf8');
      } else {
        size = part.length;
        buffer.set(part, offset);
      }
      buffer.writeUInt32LE(size, at + headerSize + 4 * i);
      offset += size;
    }
    buffer.writeUInt32LE(offset - at, at);
    buffer[at + 4] = type;
    buffer[at + 5] = flags;
    buffer[at + 6] = count;
    buffer[at + 7] = 0;
    buffer.writeDoubleLE(run, at + 8);
    buffer.writeUInt32LE(a, at + 16);
    buffer.writeUInt32LE(b, at + 20);
    buffer.writeDoubleLE(timeMs, at + 24);
    this.#end = offset;
  }

  /** The frames since the last call; the caller owns the bytes. */
  take(): Buffer {
    const taken = this.#buffer.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return taken;
  }

  #reserve(size: number): void {
    if (this.#end + size <= this.#buffer.length) return;
    const pending = this.#buffer.subarray(this.#start, this.#end);
    const next = Buffer.allocUnsafeSlow(Math.max(chunkSize, (pending.length + size) * (pending.length === 0 ? 1 : 2)));
    next.set(pending, 0);
    this.#buffer = next;
    this.#start = 0;
    this.#end = pending.length;
  }
}

/** One received frame: a view into the bytes that arrived. Parts are decoded when asked for. */
export class Frame {
  readonly type: number;
  readonly flags: number;
  readonly run: number;
  readonly a: number;
  readonly b: number;
  readonly timeMs: number;
  readonly #bytes: Buffer;
  readonly #at: number;
  readonly #parts: number;

  constructor(bytes: Buffer, at: number) {
    this.type = bytes[at + 4] as number;
    this.flags = bytes[at + 5] as number;
    this.#parts = bytes[at + 6] as number;
    this.run = bytes.readDoubleLE(at + 8);
    this.a = bytes.readUInt32LE(at + 16);
    this.b = bytes.readUInt32LE(at + 20);
    this.timeMs = bytes.readDoubleLE(at + 24);
    this.#bytes = bytes;
    this.#at = at;
  }

  /** The bytes of a part: a view that keeps the whole received chunk alive. */
  bytes(index: number): Buffer {
    if (index >= this.#parts) throw new RangeError(`frame of type ${this.type} has no part ${index}`);
    let offset = this.#at + headerSize + 4 * this.#parts;
    for (let i = 0; i < index; i++) offset += this.#bytes.readUInt32LE(this.#at + headerSize + 4 * i);
    return this.#bytes.subarray(offset, offset + this.#bytes.readUInt32LE(this.#at + headerSize + 4 * index));
  }

  /** All parts, as one text. */
  wholeText(): string {
    const from = this.#at + headerSize + 4 * this.#parts;
    return this.#bytes.toString('utf8', from, this.#at + this.#bytes.readUInt32LE(this.#at));
  }

  text(index: number): string {
    if (index >= this.#parts) throw new RangeError(`frame of type ${this.type} has no part ${index}`);
    let offset = this.#at + headerSize + 4 * this.#parts;
    for (let i = 0; i < index; i++) offset += this.#bytes.readUInt32LE(this.#at + headerSize + 4 * i);
    const size = this.#bytes.readUInt32LE(this.#at + headerSize + 4 * index);
    return size === 0 ? '' : this.#bytes.toString('utf8', offset, offset + size);
  }
}

/** Cuts a byte stream into frames. Throws RangeError on a frame that cannot be one: the peer is broken or hostile. */
export class FrameReader {
  #rest: Buffer | null = null;
  #chunks: Buffer[] = [];
  #missing = 0;

  /** Calls `onFrame` for every frame that is complete. */
  push(chunk: Buffer, onFrame: (frame: Frame) => void): void {
    if (this.#missing > 0) {
      // In the middle of a large frame: collect, and join once, not once a chunk.
      this.#chunks.push(chunk);
      this.#missing -= chunk.length;
      if (this.#missing > 0) return;
      chunk = Buffer.concat(this.#chunks);
      this.#chunks = [];
      this.#missing = 0;
    } else if (this.#rest !== null) {
      chunk = Buffer.concat([this.#rest, chunk]);
    }
    this.#rest = null;
    let at = 0;
    while (chunk.length - at >= 4) {
      const length = chunk.readUInt32LE(at);
      if (length < headerSize || length > frameSizeMax) throw new RangeError(`frame length ${length} is out of range`);
      if (chunk.length - at < length) {
        this.#missing = length - (chunk.length - at);
        this.#chunks.push(at === 0 ? chunk : chunk.subarray(at));
        return;
      }
      const parts = chunk[at + 6] as number;
      let size = headerSize + 4 * parts;
      if (size > length) throw new RangeError(`frame of ${length} bytes cannot have ${parts} parts`);
      for (let i = 0; i < parts; i++) size += chunk.readUInt32LE(at + headerSize + 4 * i);
      if (size !== length) throw new RangeError(`frame of ${length} bytes has parts that add up to ${size}`);
      const frame = new Frame(chunk, at);
      at += length;
      onFrame(frame);
    }
    if (at < chunk.length) this.#rest = chunk.subarray(at);
  }
}
