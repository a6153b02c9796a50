import { CallArguments } from '../call-arguments.ts';
import { EffectFailure, invalidCall, resultOf } from '../effect-failure.ts';
import type { ClosableEffect, EffectContext, EffectResult } from '../port.ts';
import { cacheLimits, cacheOperations, cacheTraits } from './arguments.ts';
import type { LeveledCache } from './leveled-cache.ts';

const { keySizeMax, ttlMsMax, leaseMsMax } = cacheLimits;

/**
 * The effect `cache`: values that workflows keep for themselves; none sees those of another. All of it is safe: what a crash repeats or
 * loses is only kept or not kept. `get` gives null for what is not there.
 */
export function createCacheEffect(cache: LeveledCache): ClosableEffect {
  return {
    ...cacheTraits,
    isSafe: () => true,
    perform: (call, context) => perform(cache, call.argumentsJson, context),
    describe,
    close: () => cache.close(),
  };
}

function describe(argumentsJson: string): string {
  try {
    const given = new CallArguments(argumentsJson);
    return `cache ${given.oneOf('operation', cacheOperations)} ${given.text('key').slice(0, 100)}`;
  } catch {
    return 'cache (invalid)';
  }
}

async function perform(cache: LeveledCache, argumentsJson: string, context: EffectContext): Promise<EffectResult> {
  const tried = describe(argumentsJson);
  let kept: string | null = null;
  const failure = await resultOf(tried, async () => {
    kept = await resultJson(cache, new CallArguments(argumentsJson), context);
  });
  return kept === null ? failure : { ok: true, json: kept };
}

/** JSON text: a value that is kept is not parsed on its way. */
async function resultJson(cache: LeveledCache, given: CallArguments, context: EffectContext): Promise<string> {
  const operation = given.oneOf('operation', cacheOperations);
  const key = given.text('key');
  if (key === '' || key.length > keySizeMax) {
    throw invalidCall('key', `${key.length} characters`, `1 to ${keySizeMax}: a longer one is better hashed`);
  }
  const own = `${context.workflow}\nvalue\n${key}`;
  switch (operation) {
    case 'get':
      return (await cache.get(own)) ?? 'null';
    case 'set': {
      const isKept = await cache.set(own, JSON.stringify(given.value('value')), ttlMsOf(given));
      const claim = given.optionalText('claim');
      if (claim !== null) await cache.release(own, claim);
      // A value that was made for a claim is in the hands of who made it: it is good without being kept.
      if (!isKept && claim === null) {
        throw new EffectFailure(
          'too_large',
          'the value is too large to be kept: keep less, or raise [cache] max_bytes',
        );
      }
      return 'null';
    }
    case 'delete':
      await cache.delete(own);
      return 'null';
    case 'claim': {
      const claimed = await cache.claim(own, given.number('leaseMs', 1, leaseMsMax, 30_000), context.signal);
      return 'json' in claimed ? `{"value":${claimed.json}}` : JSON.stringify({ claim: claimed.token });
    }
    case 'release':
      await cache.release(own, given.text('claim'));
      return 'null';
  }
}

function ttlMsOf(given: CallArguments): number | null {
  const ttlMs = given.number('ttlMs', 0, ttlMsMax, 0);
  return ttlMs === 0 ? null : Math.max(1, ttlMs);
}
