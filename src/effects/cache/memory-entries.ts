interface Entry {
  json: string;
  sizeBytes: number;
  /** Of `nowMs`. */
  expiresMs: number;
}

export interface MemoryLimits {
  /** Bytes of all keys and values together, with what an entry takes beside them. */
  bytesMax: number;
  /** Of one value; a larger one is not kept. */
  valueBytesMax: number;
}

/** What an entry takes beside its texts: its object, its place in the map, its strings' heads. */
const entryOverheadBytes = 200;

/**
 * Values in this process's memory; what was not asked for longest goes first. A `Map` keeps the order: an entry that is read is put to
 * its end.
 */
export class MemoryEntries {
  readonly #limits: MemoryLimits;
  readonly #nowMs: () => number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  #evicted = 0;

  /** @param nowMs a clock that never goes back. */
  constructor(limits: MemoryLimits, nowMs: () => number) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** Entries that went before their time because there was no room. */
  get evicted(): number {
    return this.#evicted;
  }

  get(key: string): string | null {
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    this.#entries.delete(key);
    if (entry.expiresMs <= this.#nowMs()) {
      this.#bytes -= entry.sizeBytes;
      return null;
    }
    this.#entries.set(key, entry);
    return entry.json;
  }

  /** False when the value is too large to be kept; what was under that key is gone in any case. */
  set(key: string, json: string, ttlMs: number): boolean {
    this.delete(key);
    const valueBytes = Buffer.byteLength(json);
    const sizeBytes = valueBytes + Buffer.byteLength(key) + entryOverheadBytes;
    if (valueBytes > this.#limits.valueBytesMax || sizeBytes > this.#limits.bytesMax) return false;
    this.#entries.set(key, { json, sizeBytes, expiresMs: this.#nowMs() + ttlMs });
    this.#bytes += sizeBytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#limits.bytesMax) break;
      this.delete(oldest);
      this.#evicted++;
    }
    return true;
  }

  delete(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#entries.delete(key);
    this.#bytes -= entry.sizeBytes;
    return true;
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  /** Gives back the memory of what has expired; nobody needs it to be right, since an expired entry is never given out. */
  sweep(): void {
    const nowMs = this.#nowMs();
    for (const [key, { expiresMs }] of this.#entries) if (expiresMs <= nowMs) this.delete(key);
  }
}
