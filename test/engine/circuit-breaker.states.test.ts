import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CircuitBreaker } from '../../src/engine/circuit-breaker.ts';
import { createEngine } from '../../src/engine/engine.ts';
import type { Answer } from '../../src/engine/port.ts';
import { codeProgram } from '../dispatch/dispatched.ts';
import { activate, OrderedEffects, startTestDispatcher } from '../support/execution-harness.ts';

function createBreaker(crashesMax = 3): { breaker: CircuitBreaker; said: string[] } {
  const said: string[] = [];
  const breaker = new CircuitBreaker({ crashesMax, pauseMs: 1000, log: { warn: (message) => said.push(message) } });
  return { breaker, said };
}

test('crashes in a row open the circuit; anything else in between starts the count again', () => {
  const { breaker, said } = createBreaker();
  for (const status of ['crashed', 'crashed', 'failed', 'crashed', 'crashed', 'succeeded', 'crashed', 'crashed']) {
    breaker.onEnd('order', status, 0);
    assert.equal(breaker.refusal('order', 0), null);
  }
  breaker.onEnd('order', 'crashed', 0);
  const refusal = breaker.refusal('order', 400);
  assert.equal(refusal?.code, 'circuit_open');
  assert.equal(refusal?.details.retryAfterMs, 600);
  assert.equal(breaker.refusal('another', 0), null);
  assert.deepEqual([breaker.open, breaker.openedTotal, said.length], [1, 1, 1]);
});

test('after the pause one run is let through: what becomes of it decides', () => {
  const { breaker, said } = createBreaker(1);
  breaker.onEnd('order', 'crashed', 0);
  assert.equal(breaker.refusal('order', 999)?.code, 'circuit_open');
  assert.equal(breaker.refusal('order', 1000), null);
  assert.equal(breaker.refusal('order', 1001)?.code, 'circuit_open');
  breaker.onEnd('order', 'crashed', 1100);
  assert.equal(breaker.refusal('order', 2099)?.code, 'circuit_open');
  assert.equal(breaker.refusal('order', 2100), null);
  breaker.onEnd('order', 'failed', 2200);
  assert.equal(breaker.refusal('order', 2200), null);
  assert.deepEqual([breaker.open, breaker.openedTotal], [0, 1]);
  assert.match(said.at(-1) ?? '', /no longer paused/);
});

test('a probe that never tells how it ended is followed by another one', () => {
  const { breaker } = createBreaker(1);
  breaker.onEnd('order', 'crashed', 0);
  assert.equal(breaker.refusal('order', 1000), null);
  assert.equal(breaker.refusal('order', 1500)?.code, 'circuit_open');
  assert.equal(breaker.refusal('order', 2000), null);
});

test('with 0 crashes none is ever opened', () => {
  const { breaker } = createBreaker(0);
  for (let i = 0; i < 100; i++) breaker.onEnd('order', 'crashed', 0);
  assert.equal(breaker.refusal('order', 0), null);
});

test('a workflow that uses up its VM again and again is answered circuit_open, and another one is served', {
  timeout: 60_000,
}, async (t) => {
  const dispatcher = await startTestDispatcher({ maxMemoryMiB: 32 });
  const said: string[] = [];
  const engine = createEngine({
    dispatcher,
    effects: new OrderedEffects(),
    store: null,
    observer: { onExecution: () => {}, onEffect: () => {} },
    recordedBufferMax: 0,
    circuitBreaker: { crashesMax: 2, pauseMs: 60_000 },
    findVersion: async () => null,
    log: { warn: (message) => said.push(message) },
  });
  t.after(async () => {
    engine.close();
    await dispatcher.close();
  });
  const execute = (name: string, source: string): Promise<Answer> =>
    new Promise((resolve) => {
      const workflow = activate(codeProgram(name, source), { durability: 'ephemeral' });
      const receivedMs = performance.now();
      engine.execute({ workflow, trigger: 'manual', inputJson: '{"body":{}}', body: null, receivedMs }, resolve);
    });
  const greedy = 'const all = []; for (;;) all.push(new Array(100_000).fill(all.length));';
  const codes: (string | undefined)[] = [];
  for (let i = 0; i < 3; i++) codes.push((await execute('greedy', greedy)).error?.code);
  assert.deepEqual(codes, ['run_crashed', 'run_crashed', 'circuit_open']);
  assert.equal((await execute('modest', 'return 1;')).status, 200);
  assert.deepEqual(engine.circuits, { open: 1, openedTotal: 1 });
  assert.match(said.join('\n'), /greedy is paused for 60 s/);
});
