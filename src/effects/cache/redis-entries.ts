import type { RedisConnection } from '../../redis/redis-connection.ts';
import type { SharedEntries } from './shared-entries.ts';

/** Of what it keeps in a Redis that others may use too. */
const entryPrefix = 'nflow:cache:';
const lockPrefix = 'nflow:cache-lock:';

/** Takes a lock back only from who holds it: it may have expired, and be another one's by now. */
const unlockScript = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";

/** The cache's second level in Redis, single or Cluster: every call is about one key. */
export function createRedisEntries(redis: RedisConnection): SharedEntries {
  /** Undefined for whatever fails: to a cache, a Redis that refuses is as good as none. */
  const call = async (command: string, ...parameters: (string | number)[]) => {
    try {
      return await redis.call(command, ...parameters);
    } catch {
      return undefined;
    }
  };
  return {
    async get(key) {
      const name = entryPrefix + key;
      const [json, leftMs] = await Promise.all([call('GET', name), call('PTTL', name)]);
      if (json === undefined || leftMs === undefined) return undefined;
      // Without an end it is none of ours.
      return typeof json === 'string' && typeof leftMs === 'number' && leftMs > 0 ? { json, leftMs } : null;
    },
    async set(key, json, ttlMs) {
      return (await call('SET', entryPrefix + key, json, 'PX', Math.ceil(ttlMs))) === 'OK';
    },
    async delete(key) {
      await call('DEL', entryPrefix + key);
    },
    async lock(key, token, leaseMs) {
      const answer = await call('SET', lockPrefix + key, token, 'NX', 'PX', Math.ceil(leaseMs));
      if (answer === undefined) return 'away';
      return answer === 'OK' ? 'free' : 'taken';
    },
    async unlock(key, token) {
      await call('EVAL', unlockScript, 1, lockPrefix + key, token);
    },
    onReturn: (listener) => redis.onReturn(listener),
  };
}
