import type { EffectTraits } from '../../protocol/effect-traits.ts';

export const cacheTraits: EffectTraits = { kind: 'cache', resource: null, isCacheable: false, isConfined: true };

/** Those of a node; code has `claim` and `release` too, of which `ctx.cache.wrap` is made. */
export const cacheNodeOperations = ['get', 'set', 'delete'] as const;
export const cacheOperations = [...cacheNodeOperations, 'claim', 'release'] as const;

export const cacheLimits = {
  /** UTF-16 code units of a key. */
  keySizeMax: 512,
  ttlMsMax: 30 * 24 * 60 * 60 * 1000,
  /** How long the others wait for who makes a value. */
  leaseMsMax: 60 * 60 * 1000,
} as const;

/** The arguments of the effect `cache`, as code and nodes send them. */
export type CacheArguments =
  | { operation: 'get' | 'delete'; key: string }
  | { operation: 'set'; key: string; value: unknown; ttlMs?: number; claim?: string }
  | { operation: 'claim'; key: string; leaseMs: number }
  | { operation: 'release'; key: string; claim: string };

/** What a `claim` gives: the value, or the right to make it. */
export type CacheClaim = { value: unknown } | { claim: string };
