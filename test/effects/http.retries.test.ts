import assert from 'node:assert/strict';
import { test } from 'node:test';
import { performEffect } from '../../src/engine/effect-attempts.ts';
import type { EffectOptions } from '../../src/protocol/effect-options.ts';
import { answerOf, contextOf, httpArguments, httpEffect } from './calls.ts';
import { startHttpServer } from './servers.ts';

const options: EffectOptions = {
  timeoutMs: null,
  retry: { attempts: 3, backoff: 'fixed', initialMs: 1, maxMs: 5_000, jitter: 0 },
  cache: null,
  idempotencyKey: null,
  atMostOnce: false,
};

test('a POST that fails for a while is sent again under one key, not before the service asks for it', async () => {
  const arrivedMs: number[] = [];
  await using server = await startHttpServer((_request, response) => {
    arrivedMs.push(performance.now());
    if (arrivedMs.length === 1) response.writeHead(503, { 'retry-after': '1' }).end('later');
    else if (arrivedMs.length === 2) response.destroy();
    else response.end('done');
  });
  using effect = httpEffect();
  const call = { kind: 'http', argumentsJson: httpArguments({ method: 'POST', url: server.origin, form: { a: 1 } }) };
  const host = { cache: undefined, mayAct: () => true, deadlineMs: performance.now() + 60_000 };
  const { result, attempts } = await performEffect(effect, call, contextOf(), options, host);
  assert.equal(answerOf(result).bodyText, 'done');
  assert.equal(attempts, 3);
  const [first = 0, second = 0] = arrivedMs;
  assert.ok(second - first >= 990, `the second came ${second - first} ms after the first`);
  assert.deepEqual(new Set(server.requests.map(({ headers }) => headers['idempotency-key'])), new Set(['key-1']));
  assert.deepEqual(
    server.requests.map(({ headers }) => headers['nflow-effect']),
    ['first', 'later', 'later'],
  );
});
