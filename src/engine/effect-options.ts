import { type EffectOptions, effectOptionLimits } from '../protocol/effect-options.ts';

/**
 * Reads how a call is to be made. It comes out of a VM: what is not allowed is an error with what was got and what is allowed.
 * Throws TypeError.
 */
export function parseEffectOptions(optionsJson: string): EffectOptions {
  const { attemptsMax, waitMsMax, timeoutMsMax, ttlMsMax, keySizeMax } = effectOptionLimits;
  const given = recordOf(JSON.parse(optionsJson), 'options');
  const retry = given.retry === null ? null : recordOf(given.retry, 'retry');
  const cache = given.cache === null ? null : recordOf(given.cache, 'cache');
  const options: EffectOptions = {
    timeoutMs: given.timeoutMs === null ? null : numberOf(given.timeoutMs, 'timeout', 1, timeoutMsMax, 'ms'),
    retry:
      retry === null
        ? null
        : {
            attempts: Math.floor(numberOf(retry.attempts, 'retry.attempts', 1, attemptsMax, 'attempts')),
            backoff: retry.backoff === 'fixed' ? 'fixed' : 'exponential',
            initialMs: numberOf(retry.initialMs, 'retry.initial', 0, waitMsMax, 'ms'),
            maxMs: numberOf(retry.maxMs, 'retry.max', 0, waitMsMax, 'ms'),
            jitter: numberOf(retry.jitter, 'retry.jitter', 0, 1, ''),
          },
    cache:
      cache === null
        ? null
        : {
            ttlMs: cache.ttlMs === null ? null : numberOf(cache.ttlMs, 'cache.ttl', 1, ttlMsMax, 'ms'),
            key: cache.key === null ? null : textOf(cache.key, 'cache.key', Number.POSITIVE_INFINITY),
          },
    idempotencyKey: given.idempotencyKey === null ? null : textOf(given.idempotencyKey, 'idempotencyKey', keySizeMax),
    atMostOnce: given.atMostOnce === true,
  };
  if (options.idempotencyKey !== null && !/^[\x20-\x7e]+$/.test(options.idempotencyKey)) {
    throw new TypeError('idempotencyKey: allowed are visible ASCII characters: it travels in a header');
  }
  if (options.atMostOnce && options.retry !== null && options.retry.attempts > 1) {
    throw new TypeError('atMostOnce: a call that is made at most once is not repeated: leave out "retry"');
  }
  return options;
}

function recordOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null)
    throw new TypeError(`${what}: got ${typeof value}, allowed is an object`);
  return value as Record<string, unknown>;
}

function numberOf(value: unknown, what: string, min: number, max: number, unit: string): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  const got = JSON.stringify(value)?.slice(0, 80);
  throw new TypeError(`${what}: got ${got}, allowed is ${min} to ${max} ${unit}`.trimEnd());
}

function textOf(value: unknown, what: string, sizeMax: number): string {
  if (typeof value === 'string' && value.length <= sizeMax) return value;
  throw new TypeError(`${what}: allowed is a text of at most ${sizeMax} characters`);
}
