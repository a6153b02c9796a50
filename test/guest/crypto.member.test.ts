import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effectDefinitions } from '../../src/effects/definitions.ts';
import { codeNode, evaluate, Guest, programOf } from '../support/vm.ts';

test('ctx.crypto issues calls with canonical arguments and gives their results', () => {
  using guest = new Guest(programOf([codeNode('only', "return ctx.crypto.hmac('a', 'k', { encoding: 'base64' });")]));
  const waits = guest.start();
  assert.ok(waits.kind === 'waits');
  const [path, attempt, seq, kind, argumentsJson, optionsJson] = waits.effects[0] as unknown[];
  assert.deepEqual([path, attempt, seq, kind], ['only', 1, 1, 'crypto']);
  assert.equal(argumentsJson, '{"operation":"hmac","data":"a","key":"k","encoding":"base64"}');
  assert.equal(JSON.parse(String(optionsJson)).timeoutMs, 30_000);
  const end = guest.deliver(waits.run, 'only', 1, '"digest"');
  assert.ok(end.kind === 'ended');
  assert.equal(end.output, 'digest');
});

test('what an author says of how a call is made goes with it', () => {
  const options =
    "{ timeout: '2s', retry: { attempts: 5, initial: '1s' }, cache: { ttl: '1m', key: [1] }, idempotencyKey: 7 }";
  using guest = new Guest(programOf([codeNode('only', `return ctx.crypto.hash('a', ${options});`)]));
  const waits = guest.start();
  assert.ok(waits.kind === 'waits');
  assert.deepEqual(JSON.parse(String(waits.effects[0]?.[5])), {
    timeoutMs: 2000,
    retry: { attempts: 5, backoff: 'exponential', initialMs: 1000, maxMs: 30_000, jitter: 0.2 },
    cache: { ttlMs: 60_000, key: '[1]' },
    idempotencyKey: '7',
    atMostOnce: false,
  });
});

test('random bytes come from the step, in the encoding that is asked for', () => {
  const [hex, base64, url, again] = evaluate(`
    const { crypto } = ctx;
    return [crypto.randomBytes(16), crypto.randomBytes(16, 'base64'), crypto.randomBytes(5, 'base64url'), crypto.randomBytes(16)];`) as string[];
  assert.match(String(hex), /^[0-9a-f]{32}$/);
  assert.equal(Buffer.from(String(base64), 'base64').length, 16);
  assert.match(String(base64), /==$/);
  assert.equal(Buffer.from(String(url), 'base64url').length, 5);
  assert.notEqual(hex, again);
  const refused = 'try { ctx.crypto.randomBytes(0); } catch (error) { return error.message; }';
  assert.equal(evaluate(refused), 'size must be a whole number from 1 to 1024; got 0');
});

test('a member leaves nothing behind and leads nowhere', () => {
  const source = `
    const { crypto } = ctx;
    const found = [];
    for (const change of [
      () => { Object.getPrototypeOf(crypto).hash = 1; },
      () => { Object.getPrototypeOf(crypto).hash.mine = 1; },
      () => { Object.getPrototypeOf(ctx).crypto = 1; },
    ]) {
      try { change(); found.push('changed'); } catch { found.push('refused'); }
    }
    crypto.mine = 1;
    return [...found, crypto.constructor === undefined, ctx.crypto.mine === undefined, Object.keys(crypto)];`;
  assert.deepEqual(evaluate(source), ['refused', 'refused', 'refused', true, true, ['mine']]);
});

test('only a program that mentions the member, or hides what it mentions, pays for it', () => {
  const partsOf = (source: string): string[] => programOf([codeNode('only', source)]).effectParts;
  assert.deepEqual(partsOf('return ctx.now();'), []);
  assert.deepEqual(partsOf("return ctx.crypto.hash('a');"), ['crypto']);
  const every = effectDefinitions.filter(({ member }) => member?.isPart === true).map(({ traits }) => traits.kind);
  assert.deepEqual(partsOf('return Object.keys(ctx);'), every.sort());
});
