import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNameResolver } from '../../src/effects/http/name-resolver.ts';

const limits = { parallelMax: 2, answerLifeMs: 5_000, failureLifeMs: 1_000, entriesMax: 3 };

/** A resolver whose look-ups end when the test says so, and a clock that the test turns. */
function controlled() {
  const pending = new Map<string, { answer(addresses: string[]): void; fail(error: Error): void }>();
  const asked: string[] = [];
  const clock = { ms: 0 };
  const resolve = createNameResolver(
    (hostname) => {
      asked.push(hostname);
      return new Promise((answer, fail) => pending.set(hostname, { answer, fail }));
    },
    limits,
    () => clock.ms,
  );
  return { resolve, pending, asked, clock };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('calls for one name share one look-up, and its answer is used until it is too old', async () => {
  const { resolve, pending, asked, clock } = controlled();
  const both = Promise.all([resolve('stock'), resolve('stock')]);
  pending.get('stock')?.answer(['10.0.0.1']);
  assert.deepEqual(await both, [['10.0.0.1'], ['10.0.0.1']]);
  clock.ms = 4_999;
  assert.deepEqual(await resolve('stock'), ['10.0.0.1']);
  assert.deepEqual(asked, ['stock']);
  clock.ms = 5_001;
  const later = resolve('stock');
  pending.get('stock')?.answer(['10.0.0.2']);
  assert.deepEqual(await later, ['10.0.0.2']);
  assert.deepEqual(asked, ['stock', 'stock']);
});

test('a failure is remembered for a shorter time than an answer', async () => {
  const { resolve, pending, asked, clock } = controlled();
  const first = resolve('nowhere');
  pending.get('nowhere')?.fail(new Error('ENOTFOUND'));
  await assert.rejects(first, /ENOTFOUND/);
  await assert.rejects(resolve('nowhere'), /ENOTFOUND/);
  assert.equal(asked.length, 1);
  clock.ms = 1_001;
  const again = resolve('nowhere');
  pending.get('nowhere')?.answer(['10.0.0.1']);
  assert.deepEqual(await again, ['10.0.0.1']);
});

test('no more look-ups run at one time than allowed; the others follow in order', async () => {
  const { resolve, pending, asked } = controlled();
  const all = ['a', 'b', 'c', 'd'].map((name) => resolve(name));
  await turn();
  assert.deepEqual(asked, ['a', 'b']);
  pending.get('b')?.fail(new Error('ENOTFOUND'));
  await assert.rejects(all[1] as Promise<string[]>);
  await turn();
  assert.deepEqual(asked, ['a', 'b', 'c']);
  for (const name of ['a', 'c']) pending.get(name)?.answer(['10.0.0.1']);
  await turn();
  assert.deepEqual(asked, ['a', 'b', 'c', 'd']);
  pending.get('d')?.answer(['10.0.0.1']);
  await Promise.all([all[0], all[2], all[3]]);
});

test('the memory keeps a bounded number of names and forgets the oldest first', async () => {
  const { resolve, pending, asked } = controlled();
  for (const name of ['a', 'b', 'c', 'd']) {
    const resolved = resolve(name);
    await turn();
    pending.get(name)?.answer(['10.0.0.1']);
    await resolved;
  }
  await resolve('b');
  assert.deepEqual(asked, ['a', 'b', 'c', 'd']);
  const forgotten = resolve('a');
  await turn();
  assert.deepEqual(asked, ['a', 'b', 'c', 'd', 'a']);
  pending.get('a')?.answer(['10.0.0.1']);
  await forgotten;
});
