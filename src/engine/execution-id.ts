import { randomFillSync } from 'node:crypto';

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const poolSize = 16 * 512;

/**
 * Makes execution ids: UUIDv7 (RFC 9562, section 5.7) on the given clock, so that an id tells the creation time and its partition.
 * Ids of one millisecond carry a counter in `rand_a`, so that one server's ids increase. The two bits after the variant are the slot of
 * the retention class (`Store.classSlot`): an id alone tells where its execution lies. The rest is random.
 */
export class ExecutionIds {
  readonly #nowMs: () => number;
  readonly #pool = Buffer.alloc(poolSize);
  #used = poolSize;
  #lastMs = 0;
  /** The text of `#lastMs`: an id in the same millisecond takes it as it is. */
  #time = '';
  #counter = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  next(classSlot = 0): string {
    if (this.#used === poolSize) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const pool = this.#pool;
    const at = this.#used;
    this.#used += 16;
    let ms = Math.floor(this.#nowMs());
    if (ms > this.#lastMs) {
      this.#counter = ((pool[at] as number) << 1) | ((pool[at + 1] as number) & 1);
    } else {
      ms = this.#lastMs;
      // A full counter borrows the next millisecond.
      if (++this.#counter > 0xfff) {
        ms++;
        this.#counter = 0;
      }
    }
    if (ms !== this.#lastMs || this.#time === '') {
      this.#lastMs = ms;
      const digits = ms.toString(16).padStart(12, '0');
      this.#time = `${digits.slice(0, 8)}-${digits.slice(8)}-7`;
    }
    const byte = (i: number): string => hex[pool[at + i] as number] as string;
    const variant = hex[((pool[at + 2] as number) & 0x0f) | 0x80 | (classSlot << 4)] as string;
    const counter = this.#counter.toString(16).padStart(3, '0');
    return `${this.#time}${counter}-${variant}${byte(3)}-${byte(4)}${byte(5)}${byte(6)}${byte(7)}${byte(8)}${byte(9)}`;
  }
}

/** Makes seeds for the guests' random numbers: 128 random bits as 32 hex digits. */
export class Seeds {
  #digits = '';
  #used = 0;

  next(): string {
    if (this.#used === this.#digits.length) {
      this.#digits = randomFillSync(Buffer.alloc(poolSize)).toString('hex');
      this.#used = 0;
    }
    const seed = this.#digits.slice(this.#used, this.#used + 32);
    this.#used += 32;
    return seed;
  }
}
