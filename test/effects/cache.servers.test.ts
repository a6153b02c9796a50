import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeveledCache } from '../../src/effects/cache/leveled-cache.ts';
import { createRedisEntries } from '../../src/effects/cache/redis-entries.ts';
import { RedisConnection } from '../../src/redis/redis-connection.ts';
import { until } from '../support/condition.ts';
import type { Cleanup } from '../support/nflow-server.ts';
import { redisMissing, startTestCluster, startTestRedis } from '../support/redis.ts';

const idle = new AbortController().signal;

/** The cache of one server. */
async function serverOn(t: Cleanup, port: number) {
  const redis = new RedisConnection({
    addresses: [{ host: '127.0.0.1', port }],
    username: null,
    password: null,
    database: 0,
    isCluster: null,
    connectionsMax: 4,
    callTimeoutMs: 300,
  });
  await redis.connect();
  const clock = { ms: 0 };
  const cache = new LeveledCache({ shared: createRedisEntries(redis), nowMs: () => clock.ms });
  t.after(() => {
    cache.close();
    redis.close();
  });
  return { redis, cache, clock };
}

for (const [name, start] of [
  ['a single Redis', async (t: Cleanup) => (await startTestRedis(t)).port],
  ['a Cluster', async (t: Cleanup) => (await startTestCluster(t))[1]?.port ?? 0],
] as const) {
  test(`servers share what they keep in ${name}`, { skip: redisMissing }, async (t) => {
    const port = await start(t);
    const [one, two] = await Promise.all([serverOn(t, port), serverOn(t, port)]);
    await one.cache.set('k', '{"a":"ü"}', 60_000);
    assert.equal(await two.cache.get('k'), '{"a":"ü"}');
    await two.cache.set('k', '2', 60_000);
    // A copy is believed for a while, and then asked for again.
    assert.equal(await one.cache.get('k'), '{"a":"ü"}');
    one.clock.ms = 2000;
    assert.equal(await one.cache.get('k'), '2');
    await one.cache.delete('k');
    two.clock.ms = 2000;
    assert.equal(await two.cache.get('k'), null);
  });

  test(`of two servers on ${name} one makes a value, and the other is given it`, { skip: redisMissing }, async (t) => {
    const port = await start(t);
    const servers = await Promise.all([serverOn(t, port), serverOn(t, port)]);
    let calls = 0;
    const load = async () => {
      const json = String(++calls);
      await new Promise((resolve) => setTimeout(resolve, 100));
      return { result: { ok: true, json }, isKept: true };
    };
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, index) => servers[index % 2]?.cache.wrap('w', null, load)),
    );
    assert.deepEqual(new Set(results.map((result) => result?.json)), new Set(['1']));

    const [one, two] = servers as [(typeof servers)[0], (typeof servers)[0]];
    const claim = await one.cache.claim('c', 60_000, idle);
    const other = two.cache.claim('c', 60_000, idle);
    assert.ok('token' in claim);
    await one.cache.set('c', '"made"', null);
    await one.cache.release('c', claim.token);
    assert.deepEqual(await other, { json: '"made"' });

    // Who fails gives the lock back, and not the lock of another.
    const failing = await one.cache.claim('f', 60_000, idle);
    assert.ok('token' in failing);
    await two.cache.release('f', 'not the token');
    await one.cache.release('f', failing.token);
    assert.ok('token' in (await two.cache.claim('f', 60_000, idle)));
  });
}

test('without Redis each server keeps values in its memory, and forgets them when it is back', {
  skip: redisMissing,
}, async (t) => {
  const redis = await startTestRedis(t);
  const one = await serverOn(t, redis.port);
  await one.cache.set('before', '1', 60_000);
  await redis.kill();
  let calls = 0;
  const load = async () => ({ result: { ok: true, json: String(++calls) }, isKept: true });
  const results = await Promise.all(Array.from({ length: 100 }, () => one.cache.wrap('w', null, load)));
  assert.equal(new Set(results.map(({ json }) => json)).size, 1);
  await one.cache.set('k', '1', 60_000);
  one.clock.ms = 30_000;
  assert.equal(await one.cache.get('k'), '1');
  assert.equal(await one.cache.get('before'), null);
  assert.ok('token' in (await one.cache.claim('c', 1000, idle)));
  await redis.startAgain();
  await until('it is there', () => one.redis.isUp);
  assert.equal(await one.cache.get('k'), null);
  await one.cache.set('k', '2', 60_000);
  assert.equal(await redis.cli('GET', 'nflow:cache:k'), '2\n');
});
