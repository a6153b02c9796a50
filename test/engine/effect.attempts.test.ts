import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeveledCache } from '../../src/effects/cache/leveled-cache.ts';
import type { EffectContext, EffectKind, EffectResult } from '../../src/effects/port.ts';
import { type AttemptHost, performEffect, waitAfter } from '../../src/engine/effect-attempts.ts';
import { parseEffectOptions } from '../../src/engine/effect-options.ts';
import type { EffectOptions } from '../../src/protocol/effect-options.ts';

const once: EffectOptions = { timeoutMs: null, retry: null, cache: null, idempotencyKey: null, atMostOnce: false };
const retry = { attempts: 3, backoff: 'fixed', initialMs: 1, maxMs: 1, jitter: 0 } as const;
const success: EffectResult = { ok: true, json: '1' };

function failure(described: object): EffectResult {
  return { ok: false, json: JSON.stringify({ code: 'effect_failed', message: 'm', retryable: true, ...described }) };
}

/** Gives one result after the other, the last one again and again, and keeps what it was called with. */
class Scripted implements EffectKind {
  readonly kind = 'scripted';
  readonly isCacheable = true;
  readonly contexts: EffectContext[] = [];
  readonly #results: (EffectResult | Promise<EffectResult>)[];
  constructor(...results: (EffectResult | Promise<EffectResult>)[]) {
    this.#results = results;
  }
  isSafe(): boolean {
    return false;
  }
  describe(): string {
    return 'scripted call';
  }
  async perform(_call: object, context: EffectContext): Promise<EffectResult> {
    this.contexts.push(context);
    return (this.#results.length > 1 ? this.#results.shift() : this.#results[0]) as EffectResult;
  }
}

function run(
  kind: EffectKind,
  options: Partial<EffectOptions>,
  given: Partial<AttemptHost> & { signal?: AbortSignal } = {},
) {
  const { signal = new AbortController().signal, ...rest } = given;
  const host = { cache: undefined, mayAct: () => true, deadlineMs: Number.POSITIVE_INFINITY, ...rest };
  const context = { executionId: 'e', workflow: 'orders', idempotencyKey: 'k', isFirstSending: true, signal };
  return performEffect(kind, { kind: kind.kind, argumentsJson: '{}' }, context, { ...once, ...options }, host);
}

test('what may pass is repeated with the same key, and no repeat says that it is the first', async () => {
  const kind = new Scripted(failure({}), failure({}), success);
  assert.deepEqual(await run(kind, { retry }), { result: success, attempts: 3 });
  assert.deepEqual(
    kind.contexts.map(({ idempotencyKey, isFirstSending }) => [idempotencyKey, isFirstSending]),
    [
      ['k', true],
      ['k', false],
      ['k', false],
    ],
  );
});

test('what cannot pass is not repeated, and the last failure is the result', async () => {
  const final = failure({ retryable: false });
  assert.deepEqual(await run(new Scripted(final), { retry }), { result: final, attempts: 1 });
  const again = failure({ message: 'again' });
  assert.deepEqual(await run(new Scripted(again), { retry }), { result: again, attempts: 3 });
  assert.equal((await run(new Scripted(again), {})).attempts, 1);
});

test('a wait that the other side asks for is kept to, unless it ends too late', async () => {
  const busy = failure({ retryAfterMs: 40 });
  const beganMs = performance.now();
  assert.equal((await run(new Scripted(busy, success), { retry })).attempts, 2);
  assert.ok(performance.now() - beganMs >= 39);
  const late = await run(
    new Scripted(failure({ retryAfterMs: 60_000 }), success),
    { retry },
    { deadlineMs: performance.now() + 1000 },
  );
  assert.equal(late.attempts, 1);
});

test('an execution that ends ends the waiting, and nothing leaves while its server may not act', async () => {
  const ending = new AbortController();
  const kind = new Scripted(failure({}));
  const waiting = run(kind, { retry: { ...retry, initialMs: 60_000, maxMs: 60_000 } }, { signal: ending.signal });
  ending.abort();
  assert.equal((await waiting).attempts, 1);
  let asked = 0;
  const careful = new Scripted(failure({}), success);
  assert.equal((await run(careful, { retry }, { mayAct: () => ++asked > 2 })).attempts, 2);
  assert.equal(asked, 3);
});

test('an attempt that takes too long is stopped and may be repeated', async () => {
  const kind = new Scripted(new Promise<EffectResult>(() => {}), success);
  assert.deepEqual(await run(kind, { retry, timeoutMs: 5 }), { result: success, attempts: 2 });
  assert.equal(kind.contexts[0]?.signal.aborted, true);
  const { result } = await run(new Scripted(new Promise<EffectResult>(() => {})), { timeoutMs: 5 });
  const { message, reason } = JSON.parse(result.json);
  assert.equal(reason, 'timeout');
  assert.match(message, /scripted call: not done within 5 ms. It is not known whether it took effect/);
});

test('waits grow up to their limit, and chance shortens them only', () => {
  const growing = { attempts: 9, backoff: 'exponential', initialMs: 100, maxMs: 1000, jitter: 0.5 } as const;
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((attempts) => waitAfter(attempts, growing, () => 0)),
    [100, 200, 400, 800, 1000],
  );
  assert.equal(
    waitAfter(2, growing, () => 1),
    100,
  );
  assert.equal(
    waitAfter(5, { ...growing, backoff: 'fixed' }, () => 0),
    100,
  );
});

test('a kept result is given without a call, many that ask at a time share one, and failures are not kept', async () => {
  const cache = new LeveledCache();
  const kind = new Scripted(failure({ retryable: false }), success);
  const cached = { cache: { ttlMs: 60_000, key: null } };
  assert.equal((await run(kind, cached, { cache })).result.ok, false);
  const results = await Promise.all(Array.from({ length: 1000 }, () => run(kind, cached, { cache })));
  assert.ok(results.every(({ result }) => result.ok));
  assert.equal(kind.contexts.length, 2);
  assert.deepEqual(await run(kind, cached, { cache }), { result: success, attempts: 0 });
  assert.equal((await run(kind, { cache: { ttlMs: 60_000, key: 'other' } }, { cache })).attempts, 1);
});

test('options out of a VM are checked: what was got, and what is allowed', () => {
  const wrong: [options: object, message: RegExp][] = [
    [{ retry: { ...retry, attempts: 1e9 } }, /retry.attempts: got 1000000000, allowed is 1 to 100 attempts/],
    [{ retry: { ...retry, initialMs: -1 } }, /retry.initial: got -1/],
    [{ cache: { ttlMs: 0, key: null } }, /cache.ttl: got 0/],
    [{ idempotencyKey: 'a\nb' }, /idempotencyKey: allowed are visible ASCII characters/],
    [{ retry, atMostOnce: true }, /atMostOnce: .* leave out "retry"/],
  ];
  for (const [options, message] of wrong) {
    assert.throws(() => parseEffectOptions(JSON.stringify({ ...once, ...options })), message);
  }
  assert.deepEqual(parseEffectOptions(JSON.stringify({ ...once, retry })), { ...once, retry });
});
