import type { Config } from '../config/config.ts';
import { parseEgressAllow } from '../config/egress-allow.ts';
import { isGranted, type ResourceTable } from '../config/grants.ts';
import type { FileRoot } from '../files/file-root.ts';
import type { RedisConnection } from '../redis/redis-connection.ts';
import type { SecretSource } from '../secrets/port.ts';
import { createCacheEffect } from './cache/effect.ts';
import { LeveledCache } from './cache/leveled-cache.ts';
import { createRedisEntries } from './cache/redis-entries.ts';
import { createCryptoEffect } from './crypto/effect.ts';
import { createFileEffect } from './file/effect.ts';
import { createHttpEffect } from './http/effect.ts';
import { createEgressGuard } from './http/egress-guard.ts';
import { createNameResolver } from './http/name-resolver.ts';
import { readTlsProfiles } from './http/tls-profiles.ts';
import { createMailEffect } from './mail/effect.ts';
import type { ClosableEffect, Effects } from './port.ts';
import { createSleepEffect } from './sleep/effect.ts';
import { createSqlEffect } from './sql/effect.ts';
import type { DatasourceStats } from './sql/pool.ts';
import { withSecrets } from './with-secrets.ts';

/** Effects, and what a server shows of them. */
export interface ServerEffects extends Effects {
  datasources(): DatasourceStats[];
}

export interface EffectSecrets {
  source: SecretSource;
  /** Arguments that may hold secrets, by the effect's kind (`secretFields` in `definitions.ts`). */
  fields: ReadonlyMap<string, readonly string[]>;
}

/**
 * All effects of this server. Throws NflowError `invalid_config` for an `[egress] allow` entry that cannot be read.
 * @param resources what workflows are granted; see `config/grants.ts`.
 * @param files null: there are none. Closed with the effects.
 * @param secrets null: there are none.
 * @param redis what servers share; null: nothing.
 */
export function createEffects(
  config: Pick<Config, 'httpClient' | 'egress'> & Partial<Pick<Config, 'mail' | 'datasources' | 'cache' | 'tls'>>,
  resources: ResourceTable = {},
  files: FileRoot | null = null,
  secrets: EffectSecrets | null = null,
  redis: RedisConnection | null = null,
): ServerEffects {
  const guard = createEgressGuard(parseEgressAllow(config.egress.allow), createNameResolver());
  const cache = createCache(config.cache, redis);
  const sql = createSqlEffect(config.datasources ?? {});
  const effects: ClosableEffect[] = [
    createSleepEffect(),
    createHttpEffect(config.httpClient, guard, readTlsProfiles(config.tls ?? {}), files),
    createCryptoEffect(),
    createMailEffect(config.mail ?? null),
    createFileEffect(files),
    createCacheEffect(cache),
    sql,
  ];
  const kinds = new Map(effects.map((effect) => [effect.kind, withSecretsOf(secrets, effect)]));
  return {
    get: (kind) => kinds.get(kind),
    isGranted(kind, name, workflow) {
      const table = resources[kind] ?? {};
      return Object.hasOwn(table, name) && isGranted(table[name] as readonly string[], workflow);
    },
    cache,
    datasources: () => sql.stats(),
    async close() {
      await Promise.all(effects.map((effect) => effect.close()));
    },
  };
}

function withSecretsOf(secrets: EffectSecrets | null, effect: ClosableEffect): ClosableEffect {
  return secrets === null ? effect : withSecrets(effect, secrets.fields.get(effect.kind) ?? [], secrets.source);
}

function createCache(config: Config['cache'] | undefined, redis: RedisConnection | null): LeveledCache {
  const shared = redis === null ? null : createRedisEntries(redis);
  if (config === undefined) return new LeveledCache({ shared });
  const { defaultTtlMs, cleanupIntervalMs, bytesMax } = config;
  return new LeveledCache({ limits: { bytesMax }, ttlMsDefault: defaultTtlMs, cleanupIntervalMs, shared });
}
