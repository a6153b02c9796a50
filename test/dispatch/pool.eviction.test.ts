import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createEngine } from '../../src/engine/engine.ts';
import type { ActiveWorkflow, Answer } from '../../src/engine/port.ts';
import { until } from '../support/condition.ts';
import { activate, OrderedEffects, startTestDispatcher } from '../support/execution-harness.ts';
import { codeProgram } from './dispatched.ts';

type Options = Parameters<typeof startTestDispatcher>[0];

async function startEngine(t: TestContext, options: Options) {
  const dispatcher = await startTestDispatcher(options);
  const effects = new OrderedEffects();
  const engine = createEngine({
    dispatcher,
    effects,
    store: null,
    observer: { onExecution: () => {}, onEffect: () => {} },
    recordedBufferMax: 0,
    findVersion: async () => null,
    log: { warn: () => {} },
  });
  t.after(async () => {
    engine.close();
    await dispatcher.close();
  });
  const execute = (workflow: ActiveWorkflow): Promise<Answer> =>
    new Promise((resolve) => {
      const receivedMs = performance.now();
      engine.execute({ workflow, trigger: 'manual', inputJson: '{"body":{}}', body: null, receivedMs }, resolve);
    });
  return { dispatcher, effects, execute };
}

function workflowOf(name: string, source: string): ActiveWorkflow {
  return activate(codeProgram(name, source), { durability: 'ephemeral', timeoutMs: 120_000 });
}

const twoWaits = `const first = await ctx.http.get('http://target/NAME/1');
const second = await ctx.http.get('http://target/NAME/2', { query: { seen: first.body.rank, at: ctx.random() } });
return { name: 'NAME', sum: first.body.rank + second.body.rank };`;

test('more workflows wait than there may be VMs: another one is answered, and all come back', {
  timeout: 60_000,
}, async (t) => {
  const { dispatcher, effects, execute } = await startEngine(t, { maxSize: 4 });
  const count = 24;
  const waiting = Array.from({ length: count }, (_, i) =>
    execute(workflowOf(`waiting-${i}`, twoWaits.replaceAll('NAME', `w${i}`))),
  );
  await until('all of them wait', () => effects.performed.length === count);
  const answer = await execute(workflowOf('another', 'return { answered: true };'));
  assert.equal(Buffer.from(answer.body ?? []).toString(), '{"answered":true}');
  assert.ok(dispatcher.stats().evictedTotal >= count - 4, `${dispatcher.stats().evictedTotal} evicted`);

  const drain = setInterval(() => effects.answerOne(), 1);
  const answers = await Promise.all(waiting).finally(() => clearInterval(drain));
  for (const [i, { status, body, error }] of answers.entries()) {
    assert.equal(status, 200, `${i}: ${error?.message}`);
    assert.match(Buffer.from(body ?? []).toString(), new RegExp(`^\\{"name":"w${i}","sum":\\d+\\}$`));
  }
  // Nothing was asked for twice: the second call depends on the first one's result and on random numbers.
  assert.equal(effects.performed.length, 2 * count);
  assert.equal(new Set(effects.performed).size, 2 * count);
  const { vmSize, exhaustedTotal } = dispatcher.stats();
  assert.ok(vmSize <= 4, `${vmSize} VMs`);
  assert.equal(exhaustedTotal, 0);
});

test('runs that wait for more than a second leave a pool that is over half full', { timeout: 60_000 }, async (t) => {
  const { dispatcher, effects, execute } = await startEngine(t, { maxSize: 4 });
  const waiting = ['a', 'b', 'c'].map((name) => execute(workflowOf(name, twoWaits.replaceAll('NAME', name))));
  await until('all of them wait', () => effects.performed.length === 3);
  await until('one has left', () => dispatcher.stats().evictedTotal >= 1);
  const drain = setInterval(() => effects.answerOne(), 1);
  const answers = await Promise.all(waiting).finally(() => clearInterval(drain));
  for (const { status } of answers) assert.equal(status, 200);
});

test('runs that fill the memory of their VM while they wait leave it, and come back', {
  timeout: 120_000,
}, async (t) => {
  const { dispatcher, effects, execute } = await startEngine(t, { maxMemoryMiB: 32, maxSize: 4 });
  const hungry = workflowOf(
    'hungry',
    `const kept = Array.from({ length: 200_000 }, (_, i) => i + 0.5);
const r = await ctx.http.get('http://target/' + ctx.uuid());
return { kept: kept.length, rank: typeof r.body.rank };`,
  );
  const count = 40;
  const waiting = Array.from({ length: count }, () => execute(hungry));
  await until('all of them wait', () => effects.performed.length === count, 60_000);
  const drain = setInterval(() => effects.answerOne(), 1);
  const answers = await Promise.all(waiting).finally(() => clearInterval(drain));
  assert.deepEqual(
    answers.map(({ status, error }) => error?.message ?? status),
    answers.map(() => 200),
  );
  // Forty times 1.6 MB do not fit into one VM of 32 MB.
  const { vmCreatedTotal, evictedTotal } = dispatcher.stats();
  assert.ok(vmCreatedTotal > 1 || evictedTotal > 0);
});

test('a run whose memory crosses the limit ends crashed, and no other does', { timeout: 60_000 }, async (t) => {
  const { effects, execute } = await startEngine(t, { maxMemoryMiB: 32 });
  const innocent = execute(workflowOf('innocent', twoWaits.replaceAll('NAME', 'innocent')));
  await until('it waits', () => effects.performed.length === 1);
  const answer = await execute(
    workflowOf(
      'greedy',
      'const all = []; for (let i = 0; i < 40; i++) all.push(new Uint8Array(1 << 20).fill(1)); return all.length;',
    ),
  );
  assert.equal(answer.error?.code, 'run_crashed', answer.error?.message ?? 'it succeeded');
  const drain = setInterval(() => effects.answerOne(), 1);
  const { status } = await innocent.finally(() => clearInterval(drain));
  assert.equal(status, 200);
});

test('a VM is replaced after its runs', { timeout: 60_000 }, async (t) => {
  const { dispatcher, execute } = await startEngine(t, { recycleAfterRuns: 10 });
  const workflow = workflowOf('often', 'return 1;');
  for (let i = 0; i < 50; i++) assert.equal((await execute(workflow)).status, 200);
  await until('VMs were replaced', () => dispatcher.stats().vmCreatedTotal >= 5);
});
