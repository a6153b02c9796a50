/**
 * How a call is made, beside what it is: said by the node or by the code that asks for it, and carried out by the gateway. None of it
 * is part of the arguments by which a replay recognises the call.
 */
export interface EffectOptions {
  /** Of one attempt; null where the effect has a timeout of its own among its arguments. */
  timeoutMs: number | null;
  retry: RetryOptions | null;
  /** Null: the result is not looked for in the cache, and not kept there. */
  cache: CacheOptions | null;
  /** Instead of the key that nFlow derives from execution, step and arguments. */
  idempotencyKey: string | null;
  /** After a crash it is not repeated but ends as `effect_outcome_unknown`. */
  atMostOnce: boolean;
}

export interface RetryOptions {
  /** All of them, the first one too. */
  attempts: number;
  backoff: 'fixed' | 'exponential';
  /** Wait before the second attempt. */
  initialMs: number;
  /** What exponential waits grow to. */
  maxMs: number;
  /** Share of each wait that is left to chance, 0 to 1: callers that failed together do not come back together. */
  jitter: number;
}

export interface CacheOptions {
  /** Null: `[cache] default_ttl`. */
  ttlMs: number | null;
  /** Null: the call's kind and arguments are the key. */
  key: string | null;
}

/** What options may say. The gateway checks them again: they come out of a VM. */
export const effectOptionLimits = {
  attemptsMax: 100,
  /** One wait between two attempts. */
  waitMsMax: 24 * 60 * 60 * 1000,
  timeoutMsMax: 24 * 60 * 60 * 1000,
  ttlMsMax: 30 * 24 * 60 * 60 * 1000,
  /** UTF-16 code units of an idempotency key or a cache key. */
  keySizeMax: 512,
} as const;

export const retryDefaults: RetryOptions = {
  attempts: 3,
  backoff: 'exponential',
  initialMs: 200,
  maxMs: 30_000,
  jitter: 0.2,
};
