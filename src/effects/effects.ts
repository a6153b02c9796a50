import type { Config } from '../config/config.ts';
import { parseEgressAllow } from '../config/egress-allow.ts';
import { isGranted, type ResourceTable } from '../config/grants.ts';
import { createCryptoEffect } from './crypto/effect.ts';
import { createHttpEffect } from './http/effect.ts';
import { createEgressGuard } from './http/egress-guard.ts';
import { createNameResolver } from './http/name-resolver.ts';
import { MemoryCache } from './memory-cache.ts';
import type { ClosableEffect, Effects } from './port.ts';
import { createSleepEffect } from './sleep/effect.ts';

/**
 * All effects of this server. Throws NflowError `invalid_config` for an `[egress] allow` entry that cannot be read.
 * @param resources what workflows are granted; see `config/grants.ts`.
 */
export function createEffects(config: Pick<Config, 'httpClient' | 'egress'>, resources: ResourceTable = {}): Effects {
  const guard = createEgressGuard(parseEgressAllow(config.egress.allow), createNameResolver());
  const effects: ClosableEffect[] = [
    createSleepEffect(),
    createHttpEffect(config.httpClient, guard),
    createCryptoEffect(),
  ];
  const kinds = new Map(effects.map((effect) => [effect.kind, effect]));
  return {
    get: (kind) => kinds.get(kind),
    isGranted(kind, name, workflow) {
      const table = resources[kind] ?? {};
      return Object.hasOwn(table, name) && isGranted(table[name] as readonly string[], workflow);
    },
    cache: new MemoryCache(),
    async close() {
      await Promise.all(effects.map((effect) => effect.close()));
    },
  };
}
