import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTargetServer } from '../support/target-server.ts';
import { answerOf, failureOf, httpEffect, send } from './calls.ts';
import { until } from './servers.ts';

test('the target logs what arrives before it answers, and keeps the log after it was stopped', async () => {
  const target = await startTargetServer();
  using effect = httpEffect();
  const call = { method: 'POST', url: `${target.url}/pay?status=201`, body: '{"a":1}', bodyKind: 'json' };
  const answer = answerOf(await send(effect, call));
  assert.deepEqual([answer.status, answer.bodyText], [201, '{"n":1,"path":"/pay"}']);
  const [entry] = target.log();
  assert.ok(entry);
  const { timeMs, ...rest } = entry;
  assert.deepEqual(rest, { method: 'POST', path: '/pay?status=201', idempotencyKey: 'key-1', body: '{"a":1}' });
  assert.ok(Math.abs(Date.now() - timeMs) < 60_000);

  // Whoever gave up waiting has still been heard.
  const late = failureOf(await send(effect, { url: `${target.url}/slow?delayMs=60000`, timeoutMs: 2_000 }));
  assert.equal(late.reason, 'timeout');
  assert.deepEqual(
    target.log().map((line) => line.path),
    ['/pay?status=201', '/slow?delayMs=60000'],
  );

  await target.stop();
  assert.equal(target.log().length, 2);
  assert.equal(failureOf(await send(effect, { url: target.url })).reason, 'connect');
});

test('a call that is aborted while its answer is held back is in the log', async () => {
  const target = await startTargetServer();
  const effect = httpEffect();
  const result = send(effect, { method: 'POST', url: `${target.url}/held?delayMs=60000` });
  await until(() => target.log().length === 1, 'the request is in the log');
  effect.close();
  assert.equal(failureOf(await result).reason, 'aborted');
  assert.equal(target.log()[0]?.idempotencyKey, 'key-1');
  await target.stop();
});
