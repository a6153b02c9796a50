const firstSize = 16 * 1024;

/**
 * Collects a body of at most `sizeMax` bytes. The pieces are copied into one buffer that doubles: kept as they come, a body sent
 * in pieces of one byte would take a hundred times its size.
 */
export class BoundedBody {
  readonly #sizeMax: number;
  #buffer: Buffer = Buffer.alloc(0);
  #size = 0;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  /** False, and nothing is kept of the piece, when the body would be larger than `sizeMax`. */
  append(piece: Uint8Array): boolean {
    const size = this.#size + piece.length;
    if (size > this.#sizeMax) return false;
    if (size > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(this.#sizeMax, Math.max(firstSize, 2 * this.#buffer.length, size)));
      grown.set(this.#buffer.subarray(0, this.#size));
      this.#buffer = grown;
    }
    this.#buffer.set(piece, this.#size);
    this.#size = size;
    return true;
  }

  /** What was collected; not to be appended to afterwards. */
  take(): Buffer {
    return this.#buffer.subarray(0, this.#size);
  }
}
