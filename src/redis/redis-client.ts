import { Cluster, Redis } from 'ioredis';
import type { RedisAddress } from '../config/redis-addresses.ts';

export type RedisReply = string | number | null | RedisReply[];

/** One way to Redis: a connection, or a Cluster's connections. It is open when `open` has resolved. */
export interface RedisClient {
  call(command: string, parameters: readonly (string | number)[]): Promise<RedisReply>;
  close(): void;
  readonly isCluster: boolean;
}

export interface RedisTarget {
  /** Several: nodes of one Cluster. */
  addresses: readonly RedisAddress[];
  username: string | null;
  password: string | null;
  /** Not of a Cluster, which has no others than 0. */
  database: number;
  /** Null: the server is asked. */
  isCluster: boolean | null;
}

const connectTimeoutMs = 2_000;
/** With what comes before and after: names, a Cluster's map of slots. */
const openTimeoutMs = 2 * connectTimeoutMs;

/**
 * Opens a way to Redis, a single server or a Cluster: who does not say which is told by the server itself. Rejects when none of the
 * addresses answers. It does not connect again by itself: `RedisConnection` does, so that one place knows whether Redis is there.
 */
export async function openRedisClient(target: RedisTarget): Promise<RedisClient> {
  if (target.isCluster === true || (target.isCluster === null && target.addresses.length > 1))
    return openCluster(target);
  const client = await openSingle(target);
  if (target.isCluster === false || !(await isPartOfCluster(client))) return client;
  client.close();
  return openCluster(target);
}

async function openSingle({ addresses, username, password, database }: RedisTarget): Promise<RedisClient> {
  const [{ host, port }] = addresses as [RedisAddress];
  const redis = new Redis({
    ...credentialsOf(username, password),
    host,
    port,
    db: database,
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  return connected(redis);
}

async function openCluster({ addresses, username, password }: RedisTarget): Promise<RedisClient> {
  const cluster = new Cluster(
    addresses.map(({ host, port }) => ({ host, port })),
    {
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: () => null,
      slotsRefreshTimeout: connectTimeoutMs,
      // What moves is followed; for how long is the caller's patience, not a count of its own.
      maxRedirections: 8,
      retryDelayOnClusterDown: 50,
      retryDelayOnFailover: 50,
      redisOptions: { ...credentialsOf(username, password), connectTimeout: connectTimeoutMs },
    },
  );
  return connected(cluster);
}

function credentialsOf(username: string | null, password: string | null): { username?: string; password?: string } {
  return { ...(username === null ? {} : { username }), ...(password === null ? {} : { password }) };
}

async function connected(redis: Redis | Cluster): Promise<RedisClient> {
  let lastError: Error | null = null;
  // Without a listener ioredis writes to the console by itself.
  redis.on('error', (error: Error) => {
    lastError = error;
  });
  const { promise: late, reject } = Promise.withResolvers<never>();
  // A Cluster that changes while it is looked at may leave its client without an end.
  const timer = setTimeout(() => reject(new Error(`not connected within ${openTimeoutMs} ms`)), openTimeoutMs);
  try {
    await Promise.race([redis.connect(), late]);
  } catch (error) {
    redis.disconnect();
    // A connection that is closed says less than why it could not be made.
    throw lastError ?? error;
  } finally {
    clearTimeout(timer);
  }
  return {
    call: (command, parameters) => redis.call(command, ...parameters) as Promise<RedisReply>,
    close: () => redis.disconnect(),
    isCluster: redis instanceof Cluster,
  };
}

async function isPartOfCluster(client: RedisClient): Promise<boolean> {
  try {
    return String(await client.call('INFO', ['cluster'])).includes('cluster_enabled:1');
  } catch (error) {
    client.close();
    throw error;
  }
}
