import type { Config } from '../config/config.ts';
import { parseRedisAddresses } from '../config/redis-addresses.ts';
import { RedisConnection } from './redis-connection.ts';

/** Where it says that Redis is gone, and that it is back. */
export interface RedisLog {
  info(message: string): void;
  warn(message: string): void;
}

/** A cache that waits longer for what it keeps is none. */
const callTimeoutMs = 250;

/** The Redis of this server itself, of which workflows see nothing; null when none is configured. */
export function createOwnRedis(config: Config['redis'], log: RedisLog): RedisConnection | null {
  const addresses = config.host === null ? null : parseRedisAddresses(config.host);
  if (addresses === null) return null;
  return new RedisConnection({
    addresses,
    username: null,
    password: config.password,
    database: config.database,
    isCluster: null,
    connectionsMax: config.connectionsMax,
    callTimeoutMs,
    onChange(change) {
      if (change.isUp) log.info('Redis is there again');
      else
        log.warn(`Redis is away (${change.reason}): the cache is in the memory of this server alone until it is back`);
    },
  });
}
