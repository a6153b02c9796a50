import type { EffectHost, EffectPart, EffectStep } from '../../guest/effect-host.ts';
import type { CacheClaim } from './arguments.ts';

/** `ctx.cache`. Evaluated inside the isolate, see `guest/effect-host.ts`. */
export function createCachePart(host: EffectHost): EffectPart {
  const timeoutMsDefault = 30_000;

  /** Of a value that is made by `wrap`: as long do the others wait for it. */
  const leaseMsDefault = 30_000;

  const keyOf = (key: unknown): string => {
    if (typeof key === 'string' && key !== '') return key;
    throw host.error(`the key of the cache must be a text that is not empty; got ${host.textOf(key)}`);
  };

  const ttlOf = (ttl: unknown): { ttlMs?: number } => {
    if (ttl === undefined || ttl === null) return {};
    const ttlMs = host.durationMs(ttl, 'ttl');
    if (ttlMs >= 1) return { ttlMs };
    throw host.error(`ttl must be at least 1 ms; got ${host.textOf(ttl)}. cache.delete takes a value out`);
  };

  const call = async (step: EffectStep, given: object, options?: object): Promise<unknown> =>
    step.issue('cache', host.toJson(given, 'the value'), host.optionsOf(options, timeoutMsDefault));

  class GuestCache {
    readonly #step: EffectStep;
    constructor(step: EffectStep) {
      this.#step = step;
    }
    async get(key: string, options?: object): Promise<unknown> {
      return call(this.#step, { operation: 'get', key: keyOf(key) }, options);
    }
    async set(key: string, value: unknown, ttl?: string | number, options?: object): Promise<void> {
      await call(this.#step, { operation: 'set', key: keyOf(key), value: value ?? null, ...ttlOf(ttl) }, options);
    }
    async delete(key: string, options?: object): Promise<void> {
      await call(this.#step, { operation: 'delete', key: keyOf(key) }, options);
    }
    /** What is kept, or what `make` gives, which then is kept. Of all that ask for one key at a time, one makes it. */
    async wrap(
      key: string,
      ttl: string | number | null,
      make: () => unknown,
      options: { timeout?: string | number } = {},
    ): Promise<unknown> {
      if (typeof make !== 'function') {
        throw host.error(`cache.wrap takes a key, a ttl and a function; got ${host.textOf(make)} as the function`);
      }
      const own = keyOf(key);
      const kept = ttlOf(ttl);
      const leaseMs = options.timeout === undefined ? leaseMsDefault : host.durationMs(options.timeout, 'timeout');
      const claimJson = host.toJson({ operation: 'claim', key: own, leaseMs }, 'the key');
      // Who waits for a claim waits for as long as a lease may last, and then makes the value itself.
      const claimOptions = host.optionsOf({ timeout: leaseMs + timeoutMsDefault }, timeoutMsDefault);
      const claimed = (await this.#step.issue('cache', claimJson, claimOptions)) as CacheClaim;
      if ('value' in claimed) return claimed.value;
      const { claim } = claimed;
      let json: string;
      try {
        // Who makes it sees what the others will see.
        json = host.toJson((await make()) ?? null, 'what the function of cache.wrap gives');
      } catch (error) {
        // Whatever becomes of it, the first error is the one to tell.
        await call(this.#step, { operation: 'release', key: own, claim }).catch(() => {});
        throw error;
      }
      const value = JSON.parse(json) as unknown;
      await call(this.#step, { operation: 'set', key: own, value, ...kept, claim });
      return value;
    }
  }
  host.close(GuestCache);

  return { member: (step) => new GuestCache(step) };
}
