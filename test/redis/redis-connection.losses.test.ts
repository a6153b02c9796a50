import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RedisChange, RedisConnection } from '../../src/redis/redis-connection.ts';
import { RedisAway, RedisRefusal } from '../../src/redis/redis-failure.ts';
import { until } from '../support/condition.ts';
import type { Cleanup } from '../support/nflow-server.ts';
import { redisMissing, startTestCluster, startTestRedis } from '../support/redis.ts';

function connectionTo(t: Cleanup, ports: number[], changes: RedisChange[] = [], password: string | null = null) {
  const connection = new RedisConnection({
    addresses: ports.map((port) => ({ host: '127.0.0.1', port })),
    username: null,
    password,
    database: 0,
    isCluster: null,
    connectionsMax: 4,
    callTimeoutMs: 300,
    onChange: (change) => changes.push(change),
  });
  t.after(() => connection.close());
  return connection;
}

test('calls are answered, and what Redis refuses is told as what it says', { skip: redisMissing }, async (t) => {
  const redis = await startTestRedis(t);
  const connection = connectionTo(t, [redis.port]);
  await connection.connect();
  assert.equal(await connection.call('SET', 'k', 'ü'), 'OK');
  assert.equal(await connection.call('GET', 'k'), 'ü');
  assert.equal(await connection.call('GET', 'none'), null);
  assert.equal(await connection.call('INCRBY', 'n', 7), 7);
  await assert.rejects(
    connection.call('HGET', 'k', 'f'),
    (error) => error instanceof RedisRefusal && /WRONGTYPE/.test(error.message),
  );
  assert.equal(connection.isUp, true);
  const answers = await Promise.all(Array.from({ length: 500 }, () => connection.call('INCR', 'many')));
  assert.equal(new Set(answers).size, 500);
});

test('nobody waits for a Redis that is not there, and it is found when it comes', { skip: redisMissing }, async (t) => {
  const redis = await startTestRedis(t);
  await redis.kill();
  const changes: RedisChange[] = [];
  const connection = connectionTo(t, [redis.port], changes);
  await assert.rejects(connection.call('GET', 'k'), RedisAway);
  await until('the first try is over', () => changes.length === 1);
  await assert.rejects(connection.call('GET', 'k'), /Redis is away: .*ECONNREFUSED/);
  await redis.startAgain();
  await until('it is there', () => connection.isUp);
  assert.equal(await connection.call('GET', 'k'), null);
  assert.deepEqual(
    changes.map(({ isUp }) => isUp),
    [false, true],
  );
});

test('a Redis that is killed under use is refused at once, told once, and used again', {
  skip: redisMissing,
}, async (t) => {
  const redis = await startTestRedis(t);
  const changes: RedisChange[] = [];
  const connection = connectionTo(t, [redis.port], changes);
  await connection.connect();
  const underWay = Array.from({ length: 100 }, () => connection.call('GET', 'k').catch((error: unknown) => error));
  await redis.kill();
  await Promise.all(underWay);
  await assert.rejects(connection.call('GET', 'k'), RedisAway);
  for (let call = 0; call < 1000; call++) await assert.rejects(connection.call('GET', 'k'), RedisAway);
  assert.equal(changes.length, 1);
  await redis.startAgain();
  await until('it is there', () => connection.isUp);
  assert.equal(await connection.call('SET', 'k', '1'), 'OK');
});

test('a Redis that stands still costs one wait, not one each', { skip: redisMissing }, async (t) => {
  const redis = await startTestRedis(t);
  const connection = connectionTo(t, [redis.port]);
  await connection.connect();
  redis.pause();
  await assert.rejects(connection.call('GET', 'k'), /no answer within 300 ms/);
  assert.equal(connection.isUp, false);
  await assert.rejects(connection.call('GET', 'k'), /Redis is away: no answer within 300 ms/);
  redis.goOn();
  await until('it is there', () => connection.isUp);
  assert.equal(await connection.call('GET', 'k'), null);
});

test('a wrong password is told', { skip: redisMissing }, async (t) => {
  const redis = await startTestRedis(t, '--requirepass', 'right');
  const changes: RedisChange[] = [];
  const wrong = connectionTo(t, [redis.port], changes, 'wrong');
  await wrong.connect();
  assert.match(JSON.stringify(changes), /WRONGPASS/);
  const right = connectionTo(t, [redis.port], [], 'right');
  await right.connect();
  assert.equal(await right.call('GET', 'k'), null);
});

test('a Cluster is recognised from one of its nodes, and outlives the loss of one', {
  skip: redisMissing,
}, async (t) => {
  const nodes = await startTestCluster(t);
  const [first, , third] = nodes as [(typeof nodes)[number], unknown, (typeof nodes)[number]];
  const connection = connectionTo(t, [first.port]);
  await connection.connect();
  const keys = Array.from({ length: 50 }, (_, index) => `key-${index}`);
  await Promise.all(keys.map((key) => connection.call('SET', key, key)));
  assert.deepEqual(await Promise.all(keys.map((key) => connection.call('GET', key))), keys);
  const counts = await Promise.all(nodes.map((node) => node.cli('DBSIZE')));
  assert.ok(
    counts.every((count) => Number(count) > 0),
    counts.join(),
  );

  await third.kill();
  const outcomes = await Promise.all(
    keys.map((key) =>
      connection.call('GET', key).then(
        (value) => value === key,
        (error) => error instanceof RedisAway,
      ),
    ),
  );
  assert.deepEqual(new Set(outcomes), new Set([true]));
  await third.startAgain();
  await until(
    'all of it works again',
    async () => {
      const values = await Promise.all(keys.map((key) => connection.call('SET', key, key).catch(() => 'away')));
      return values.every((value) => value === 'OK');
    },
    40_000,
  );
});
