import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCacheEffect } from '../../src/effects/cache/effect.ts';
import { LeveledCache } from '../../src/effects/cache/leveled-cache.ts';
import { contextOf } from './calls.ts';

const idle = new AbortController().signal;

function cacheOf(limits: { bytesMax?: number; valueBytesMax?: number } = {}) {
  const clock = { ms: 0 };
  const cache = new LeveledCache({ limits, ttlMsDefault: 1000, nowMs: () => clock.ms });
  const effect = createCacheEffect(cache);
  const call = async (given: object, workflow = 'orders'): Promise<unknown> => {
    const context = { ...contextOf(), workflow };
    const { ok, json } = await effect.perform({ kind: 'cache', argumentsJson: JSON.stringify(given) }, context);
    if (!ok) throw Object.assign(new Error(json), JSON.parse(json));
    return JSON.parse(json);
  };
  return { cache, call, clock };
}

test('a value is kept for its time, in the workflow that kept it', async () => {
  const { call, clock } = cacheOf();
  assert.equal(await call({ operation: 'get', key: 'a' }), null);
  await call({ operation: 'set', key: 'a', value: { n: [1, 'ü'] } });
  await call({ operation: 'set', key: 'b', value: 2, ttlMs: 5000 });
  assert.deepEqual(await call({ operation: 'get', key: 'a' }), { n: [1, 'ü'] });
  assert.equal(await call({ operation: 'get', key: 'a' }, 'invoices'), null);
  clock.ms = 1000;
  assert.equal(await call({ operation: 'get', key: 'a' }), null);
  assert.equal(await call({ operation: 'get', key: 'b' }), 2);
  await call({ operation: 'delete', key: 'b' });
  assert.equal(await call({ operation: 'get', key: 'b' }), null);
});

test('what is wrong with a call is told', async () => {
  const { call } = cacheOf({ valueBytesMax: 10 });
  await assert.rejects(call({ operation: 'get', key: '' }), /key: got 0 characters, allowed is 1 to 512/);
  await assert.rejects(call({ operation: 'get', key: 'k'.repeat(513) }), /key: got 513 characters/);
  await assert.rejects(call({ operation: 'keys', key: 'a' }), /operation: got "keys", allowed is one of get, set/);
  await assert.rejects(call({ operation: 'set', key: 'a', value: 1, ttlMs: -1 }), /ttlMs: got -1/);
  await assert.rejects(call({ operation: 'set', key: 'a', value: 'x'.repeat(9) }), { reason: 'too_large' });
});

test('the memory is bounded in bytes, and what was not asked for longest goes first', async () => {
  const { cache } = cacheOf({ bytesMax: 2000 });
  const json = JSON.stringify('x'.repeat(298));
  for (const key of ['a', 'b', 'c']) await cache.set(key, json, null);
  assert.equal(await cache.get('a'), json);
  await cache.set('d', json, null);
  assert.equal(await cache.get('b'), null);
  assert.equal(await cache.get('a'), json);
  const { bytes, entries, evictedTotal, hitsTotal, missesTotal } = cache.stats();
  assert.deepEqual(
    { entries, evictedTotal, hitsTotal, missesTotal },
    { entries: 3, evictedTotal: 1, hitsTotal: 2, missesTotal: 1 },
  );
  assert.equal(bytes, 3 * (300 + 1 + 200));
  await cache.delete('a');
  assert.equal(cache.stats().bytes, 2 * 501);
});

test('of all that claim a key one makes the value, and the others are given it', async () => {
  const { cache } = cacheOf();
  const first = await cache.claim('k', 60_000, idle);
  assert.ok('token' in first);
  const waiting = Array.from({ length: 1000 }, () => cache.claim('k', 60_000, idle));
  await cache.set('k', '"made"', null);
  await cache.release('k', first.token);
  assert.deepEqual(
    new Set((await Promise.all(waiting)).map((claim) => JSON.stringify(claim))),
    new Set(['{"json":"\\"made\\""}']),
  );
});

test('when who makes a value fails, or takes too long, the next one makes it', async () => {
  const { cache } = cacheOf();
  const first = await cache.claim('k', 60_000, idle);
  const second = cache.claim('k', 20, idle);
  const third = cache.claim('k', 60_000, idle);
  await cache.release('k', 'not the token');
  assert.ok('token' in first);
  await cache.release('k', first.token);
  assert.ok('token' in (await second));
  // Nobody releases the second: its lease ends.
  assert.ok('token' in (await third));
});

test('who waits for a value and is aborted lets the others wait', async () => {
  const { cache } = cacheOf();
  const first = await cache.claim('k', 60_000, idle);
  const ending = new AbortController();
  const aborted = cache.claim('k', 60_000, ending.signal);
  const other = cache.claim('k', 60_000, idle);
  ending.abort();
  assert.deepEqual(await aborted, { token: '' });
  await cache.set('k', '1', null);
  assert.ok('token' in first);
  await cache.release('k', first.token);
  assert.deepEqual(await other, { json: '1' });
});

test('results of effects share one call, and what failed is not kept', async () => {
  const { cache } = cacheOf();
  let calls = 0;
  const load = async (isKept: boolean) => {
    calls++;
    await new Promise((resolve) => setImmediate(resolve));
    return { result: { ok: isKept, json: String(calls) }, isKept };
  };
  const failed = await Promise.all(Array.from({ length: 10 }, () => cache.wrap('k', null, () => load(false))));
  assert.deepEqual(new Set(failed.map(({ json }) => json)), new Set(['1']));
  const made = await Promise.all(Array.from({ length: 10 }, () => cache.wrap('k', null, () => load(true))));
  assert.deepEqual(new Set(made.map(({ json }) => json)), new Set(['2']));
  assert.deepEqual(await cache.wrap('k', null, () => load(true)), { ok: true, json: '2' });
  assert.equal(calls, 2);
});
