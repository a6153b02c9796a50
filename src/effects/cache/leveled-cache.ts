import { randomUUID } from 'node:crypto';
import type { CacheableResult, CacheStats, EffectCache, EffectResult } from '../port.ts';
import { MemoryEntries, type MemoryLimits } from './memory-entries.ts';
import type { SharedEntries } from './shared-entries.ts';

export interface CacheOptions {
  limits?: Partial<MemoryLimits>;
  ttlMsDefault?: number;
  cleanupIntervalMs?: number;
  /** Null: this server's memory is all there is. */
  shared?: SharedEntries | null;
  /** A clock that never goes back. */
  nowMs?: () => number;
}

/** A value, or the right and duty to make it. */
export type Claim = { json: string } | { token: string };

const mebibyte = 1024 * 1024;
const limitsByDefault: MemoryLimits = { bytesMax: 64 * mebibyte, valueBytesMax: 4 * mebibyte };

/** How long a copy of what servers share is believed: as long may one of them not see that another has changed it. */
const copyMsMax = 2_000;
/** Of the lock of a call whose result is kept. It is given back when the call is over; this is for a server that dies. */
const loadLeaseMs = 30_000;
/** How often it is looked whether another server has made the value. */
const pollMs = 25;

/** Somebody makes the value; the others wait for it. */
interface Making {
  token: string;
  /** Resolves when it is over, with or without a value. */
  ended: Promise<void>;
  end(): void;
}

/**
 * The cache: results of effects, and what workflows put into it, as JSON text. First this process's memory, then what servers share.
 * Whoever misses a key makes its value, and everybody else that asks for it meanwhile waits: on this server by a promise, on others by
 * the lock of the key. What failed is not kept, and then the next one tries.
 *
 * While the shared level is away the memory keeps values for as long as they are good; when it is back they are forgotten, since other
 * servers may have changed them. While it is there, a copy is believed for `copyMsMax`.
 */
export class LeveledCache implements EffectCache {
  readonly #memory: MemoryEntries;
  readonly #shared: SharedEntries | null;
  readonly #ttlMsDefault: number;
  readonly #loading = new Map<string, Promise<EffectResult>>();
  readonly #making = new Map<string, Making>();
  readonly #sweeping: NodeJS.Timeout;
  #hits = 0;
  #misses = 0;

  constructor(options: CacheOptions = {}) {
    const { limits, ttlMsDefault = 5 * 60_000, cleanupIntervalMs = 10 * 60_000, shared = null } = options;
    this.#memory = new MemoryEntries({ ...limitsByDefault, ...limits }, options.nowMs ?? (() => performance.now()));
    this.#shared = shared;
    this.#ttlMsDefault = ttlMsDefault;
    this.#sweeping = setInterval(() => this.#memory.sweep(), cleanupIntervalMs).unref();
    shared?.onReturn(() => this.#memory.clear());
  }

  stats(): CacheStats {
    const { bytes, count, evicted } = this.#memory;
    return { hitsTotal: this.#hits, missesTotal: this.#misses, evictedTotal: evicted, entries: count, bytes };
  }

  close(): void {
    clearInterval(this.#sweeping);
    for (const making of this.#making.values()) making.end();
  }

  // ---- values ----------------------------------------------------------------------------------------------------------------------

  /** JSON text, or null. */
  async get(key: string): Promise<string | null> {
    const json = await this.#read(key);
    if (json === null) this.#misses++;
    else this.#hits++;
    return json;
  }

  /** False when the value is too large to be kept. */
  async set(key: string, json: string, ttlMs: number | null): Promise<boolean> {
    const goodMs = ttlMs ?? this.#ttlMsDefault;
    if (!this.#memory.set(key, json, this.#shared === null ? goodMs : Math.min(goodMs, copyMsMax))) {
      await this.#shared?.delete(key);
      return false;
    }
    if (this.#shared !== null && !(await this.#shared.set(key, json, goodMs))) this.#memory.set(key, json, goodMs);
    return true;
  }

  async delete(key: string): Promise<void> {
    this.#memory.delete(key);
    await this.#shared?.delete(key);
  }

  async #read(key: string): Promise<string | null> {
    const own = this.#memory.get(key);
    if (own !== null || this.#shared === null) return own;
    const entry = await this.#shared.get(key);
    if (entry === undefined || entry === null) return null;
    this.#memory.set(key, entry.json, Math.min(entry.leftMs, copyMsMax));
    return entry.json;
  }

  // ---- results of effects ----------------------------------------------------------------------------------------------------------

  async wrap(key: string, ttlMs: number | null, load: () => Promise<CacheableResult>): Promise<EffectResult> {
    const own = this.#memory.get(key);
    if (own !== null) {
      this.#hits++;
      return { ok: true, json: own };
    }
    const underWay = this.#loading.get(key);
    if (underWay !== undefined) {
      this.#hits++;
      return underWay;
    }
    const loading =
      this.#shared === null ? this.#load(key, ttlMs, load) : this.#loadShared(this.#shared, key, ttlMs, load);
    this.#loading.set(key, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(key);
    }
  }

  async #load(key: string, ttlMs: number | null, load: () => Promise<CacheableResult>): Promise<EffectResult> {
    this.#misses++;
    const { result, isKept } = await load();
    if (isKept && result.ok) await this.set(key, result.json, ttlMs);
    return result;
  }

  async #loadShared(
    shared: SharedEntries,
    key: string,
    ttlMs: number | null,
    load: () => Promise<CacheableResult>,
  ): Promise<EffectResult> {
    const token = randomUUID();
    const json = await this.#readOrLock(shared, key, token, loadLeaseMs, null);
    if (json !== null) {
      this.#hits++;
      return { ok: true, json };
    }
    try {
      return await this.#load(key, ttlMs, load);
    } finally {
      await shared.unlock(key, token);
    }
  }

  /** The value; null when the caller is to make it, and has the lock if there can be one. */
  async #readOrLock(
    shared: SharedEntries,
    key: string,
    token: string,
    leaseMs: number,
    signal: AbortSignal | null,
  ): Promise<string | null> {
    const deadlineMs = performance.now() + leaseMs;
    for (;;) {
      const before = await this.#read(key);
      if (before !== null) return before;
      const lock = await shared.lock(key, token, leaseMs);
      // Who had the lock may have given it back, with the value made, since it was looked.
      if (lock === 'free') return this.#read(key);
      if (lock === 'away' || signal?.aborted === true || performance.now() >= deadlineMs) return null;
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  // ---- values that a workflow makes ------------------------------------------------------------------------------------------------

  /**
   * The value under that key, or a token for who is to make it, which `release` takes back; for as long as `leaseMs` everybody else
   * waits. Whoever waits and is aborted gets a token that means nothing.
   */
  async claim(key: string, leaseMs: number, signal: AbortSignal): Promise<Claim> {
    for (;;) {
      const own = this.#memory.get(key);
      if (own !== null) {
        this.#hits++;
        return { json: own };
      }
      const making = this.#making.get(key);
      if (making === undefined) {
        const claim = await this.#claimFirst(key, leaseMs, signal);
        if ('json' in claim) this.#hits++;
        else this.#misses++;
        return claim;
      }
      await endedOrAborted(making.ended, signal);
      if (signal.aborted) return { token: '' };
    }
  }

  async #claimFirst(key: string, leaseMs: number, signal: AbortSignal): Promise<Claim> {
    const token = randomUUID();
    const making = createMaking(token, leaseMs, () => {
      if (this.#making.get(key) === making) this.#making.delete(key);
    });
    this.#making.set(key, making);
    const shared = this.#shared;
    if (shared === null) return { token };
    const json = await this.#readOrLock(shared, key, token, leaseMs, signal);
    if (json === null && !signal.aborted) return { token };
    making.end();
    await shared.unlock(key, token);
    return json === null ? { token: '' } : { json };
  }

  /** Lets go of a claim; without the value, the next one that waits makes it. */
  async release(key: string, token: string): Promise<void> {
    const making = this.#making.get(key);
    if (making?.token === token) making.end();
    await this.#shared?.unlock(key, token);
  }
}

function createMaking(token: string, leaseMs: number, onEnd: () => void): Making {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const end = (): void => {
    clearTimeout(lease);
    onEnd();
    resolve();
  };
  const lease = setTimeout(end, leaseMs).unref();
  return { token, ended, end };
}

async function endedOrAborted(ended: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const onAbort = (): void => resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  await Promise.race([ended, aborted]);
  signal.removeEventListener('abort', onAbort);
}
