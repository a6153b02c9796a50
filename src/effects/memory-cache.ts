import type { CacheableResult, EffectCache, EffectResult } from './port.ts';

interface Entry {
  result: EffectResult;
  size: number;
  /** Of `nowMs`. */
  expiresMs: number;
}

export interface MemoryCacheLimits {
  /** UTF-16 units of all keys and results together. */
  sizeMax: number;
  /** Of one result; a larger one is not kept. */
  entrySizeMax: number;
  ttlMsDefault: number;
}

const limitsByDefault: MemoryCacheLimits = {
  sizeMax: 64 * 1024 * 1024,
  entrySizeMax: 4 * 1024 * 1024,
  ttlMsDefault: 5 * 60 * 1000,
};

/**
 * Results of effects in this process's memory; what was not asked for longest goes first. A `Map` keeps the order: an entry that is
 * read is put to its end.
 */
export class MemoryCache implements EffectCache {
  readonly #limits: MemoryCacheLimits;
  readonly #nowMs: () => number;
  readonly #entries = new Map<string, Entry>();
  readonly #loading = new Map<string, Promise<EffectResult>>();
  #size = 0;

  constructor(limits: Partial<MemoryCacheLimits> = {}, nowMs: () => number = () => performance.now()) {
    this.#limits = { ...limitsByDefault, ...limits };
    this.#nowMs = nowMs;
  }

  async wrap(key: string, ttlMs: number | null, load: () => Promise<CacheableResult>): Promise<EffectResult> {
    const kept = this.#read(key);
    if (kept !== null) return kept;
    const underWay = this.#loading.get(key);
    if (underWay !== undefined) return underWay;
    const loading = this.#load(key, ttlMs ?? this.#limits.ttlMsDefault, load);
    this.#loading.set(key, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(key);
    }
  }

  async #load(key: string, ttlMs: number, load: () => Promise<CacheableResult>): Promise<EffectResult> {
    const { result, isKept } = await load();
    if (isKept) this.#keep(key, result, ttlMs);
    return result;
  }

  #read(key: string): EffectResult | null {
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    this.#remove(key, entry);
    if (entry.expiresMs <= this.#nowMs()) return null;
    this.#add(key, entry);
    return entry.result;
  }

  #keep(key: string, result: EffectResult, ttlMs: number): void {
    const size = key.length + result.json.length;
    if (size > this.#limits.entrySizeMax) return;
    const before = this.#entries.get(key);
    if (before !== undefined) this.#remove(key, before);
    this.#add(key, { result, size, expiresMs: this.#nowMs() + ttlMs });
    for (const [oldest, entry] of this.#entries) {
      if (this.#size <= this.#limits.sizeMax) break;
      this.#remove(oldest, entry);
    }
  }

  #add(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#size += entry.size;
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#size -= entry.size;
  }
}
