import type { Config } from '../config/config.ts';
import { parseEgressAllow } from '../config/egress-allow.ts';
import { createEgressGuard } from './egress-guard.ts';
import { createHttpEffect } from './http.ts';
import { createNameResolver } from './name-resolver.ts';
import type { EffectKind, Effects } from './port.ts';
import { createSleepEffect } from './sleep.ts';

/** All effects of this server. Throws NflowError `invalid_config` for an `[egress] allow` entry that cannot be read. */
export function createEffects(config: Pick<Config, 'httpClient' | 'egress'>): Effects {
  const guard = createEgressGuard(parseEgressAllow(config.egress.allow), createNameResolver());
  const effects = [createSleepEffect(), createHttpEffect(config.httpClient, guard)];
  const kinds = new Map<string, EffectKind>(effects.map((effect) => [effect.kind, effect]));
  return {
    get: (kind) => kinds.get(kind),
    async close() {
      for (const effect of effects) effect.close();
    },
  };
}
