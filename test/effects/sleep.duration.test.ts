import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSleepEffect } from '../../src/effects/sleep/effect.ts';
import { contextOf, failureOf } from './calls.ts';

const thirtyDaysMs = 30 * 24 * 60 * 60 * 1_000;

function sleep(effect: ReturnType<typeof createSleepEffect>, ms: unknown, signal?: AbortSignal) {
  return effect.perform({ kind: 'sleep', argumentsJson: JSON.stringify({ ms }) }, contextOf(signal));
}

test('a sleep gives null when its time is over, and not before', async () => {
  const effect = createSleepEffect();
  for (const ms of [0, 1, 20.5, 40]) {
    const startMs = performance.now();
    assert.deepEqual(await sleep(effect, ms), { ok: true, json: 'null' });
    assert.ok(performance.now() - startMs >= ms, `${ms} ms`);
  }
});

test('a sleep longer than one timer can wait does not end at once', async () => {
  const effect = createSleepEffect();
  const warnings: string[] = [];
  const onWarning = (warning: Error) => warnings.push(warning.name);
  process.on('warning', onWarning);
  const ending = new AbortController();
  let ended = false;
  const long = sleep(effect, thirtyDaysMs, ending.signal).finally(() => {
    ended = true;
  });
  await sleep(effect, 30);
  assert.equal(ended, false);
  ending.abort();
  assert.equal(failureOf(await long).reason, 'aborted');
  process.off('warning', onWarning);
  assert.deepEqual(warnings, []);
});

test('a sleep ends as aborted when its execution ends, also when it had ended before', async () => {
  const effect = createSleepEffect();
  const ending = new AbortController();
  const sleeping = sleep(effect, 60_000, ending.signal);
  ending.abort();
  assert.equal(failureOf(await sleeping).reason, 'aborted');
  assert.equal(failureOf(await sleep(effect, 60_000, ending.signal)).reason, 'aborted');
});

test('closing the effect ends every sleep, and no new one starts', async () => {
  const effect = createSleepEffect();
  const sleeping = Array.from({ length: 1_000 }, () => sleep(effect, 60_000));
  effect.close();
  for (const result of await Promise.all(sleeping)) assert.equal(failureOf(result).reason, 'aborted');
  assert.equal(failureOf(await sleep(effect, 60_000)).reason, 'aborted');
});

test('arguments that are no duration are refused', async () => {
  const effect = createSleepEffect();
  for (const ms of [-1, thirtyDaysMs + 1, '5', null, undefined, [], {}]) {
    const failure = failureOf(await sleep(effect, ms));
    assert.equal(failure.reason, 'invalid_request', String(ms));
    assert.match(failure.message, /30 days/);
  }
  for (const argumentsJson of ['', 'null', '5', '[]', '{"ms":1,"more":2}', '{"ms":1e999}']) {
    assert.equal(
      failureOf(await effect.perform({ kind: 'sleep', argumentsJson }, contextOf())).reason,
      'invalid_request',
    );
    assert.equal(effect.describe(argumentsJson), 'sleep (invalid)');
  }
});

test('a sleep is safe and says how long it is', () => {
  const effect = createSleepEffect();
  assert.equal(effect.kind, 'sleep');
  assert.equal(effect.isSafe('{"ms":1500}'), true);
  assert.equal(effect.describe('{"ms":1500}'), 'sleep 1500 ms');
});
