import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeNode, failure, Guest, programOf } from '../support/vm.ts';

type Effect = [path: string, attempt: number, seq: number, kind: string, argumentsJson: string, optionsJson: string];

function started(source: string) {
  const guest = new Guest(programOf([codeNode('only', source)]));
  const waits = guest.start();
  assert.ok(waits.kind === 'waits');
  return { guest, run: waits.run, first: waits.effects[0] as Effect };
}

function effectOf(answer: ReturnType<Guest['deliver']>): Effect {
  assert.ok(answer.kind === 'waits');
  return answer.effects[0] as Effect;
}

test('ctx.cache issues calls with canonical arguments', () => {
  const { guest, run, first } = started(
    "await ctx.cache.set('k', { a: undefined, b: 1 }, '1m'); return ctx.cache.get('k');",
  );
  using _ = guest;
  assert.equal(first[3], 'cache');
  assert.equal(first[4], '{"operation":"set","key":"k","value":{"b":1},"ttlMs":60000}');
  assert.equal(effectOf(guest.deliver(run, 'only', 1, 'null'))[4], '{"operation":"get","key":"k"}');
  const end = guest.deliver(run, 'only', 2, '{"b":1}');
  assert.ok(end.kind === 'ended');
  assert.deepEqual(end.output, { b: 1 });
});

test('wrap gives what is kept, without making it', () => {
  const { guest, run, first } = started("return ctx.cache.wrap('k', '1m', () => { throw new Error('made'); });");
  using _ = guest;
  assert.equal(first[4], '{"operation":"claim","key":"k","leaseMs":30000}');
  const end = guest.deliver(run, 'only', 1, '{"value":[7]}');
  assert.ok(end.kind === 'ended');
  assert.deepEqual(end.output, [7]);
});

test('wrap makes what is not kept in the VM, and keeps it', () => {
  const source =
    "return ctx.cache.wrap('k', null, async () => ({ at: new Date(0), n: await ctx.http.get('http://a/').then((r) => r.status) }));";
  const { guest, run } = started(source);
  using _ = guest;
  const call = effectOf(guest.deliver(run, 'only', 1, '{"claim":"t"}'));
  assert.equal(call[3], 'http');
  const kept = effectOf(guest.deliver(run, 'only', 2, '{"status":200,"headers":{},"bodyKind":"none","bodyText":""}'));
  assert.equal(kept[4], '{"operation":"set","key":"k","value":{"at":"1970-01-01T00:00:00.000Z","n":200},"claim":"t"}');
  const end = guest.deliver(run, 'only', 3, 'null');
  assert.ok(end.kind === 'ended');
  assert.deepEqual(end.output, { at: '1970-01-01T00:00:00.000Z', n: 200 });
});

test('wrap gives the claim back when making fails', () => {
  const { guest, run } = started("return ctx.cache.wrap('k', 5, () => { throw new Error('no stock'); });");
  using _ = guest;
  assert.equal(
    effectOf(guest.deliver(run, 'only', 1, '{"claim":"t"}'))[4],
    '{"operation":"release","key":"k","claim":"t"}',
  );
  const end = guest.deliver(run, 'only', 2, 'null');
  assert.ok(end.kind === 'failed');
  assert.equal((end.error as { message: string }).message, 'no stock');
});

test('what is wrong with a call is told', () => {
  assert.match(
    String(failure("return ctx.cache.get('');").message),
    /key of the cache must be a text that is not empty/,
  );
  assert.match(String(failure("return ctx.cache.set('k', 1, 0);").message), /ttl must be at least 1 ms; got 0/);
  assert.match(
    String(failure("return ctx.cache.wrap('k', () => 1);").message),
    /cache.wrap takes a key, a ttl and a function/,
  );
});
