import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import { createEngine, type ExecutionEngine } from '../../src/engine/engine.ts';
import type { ActiveWorkflow, Answer } from '../../src/engine/port.ts';
import type { Program } from '../../src/protocol/program.ts';
import { activate, OrderedEffects, startTestDispatcher } from '../support/execution-harness.ts';

let dispatcher: RunnerDispatcher;
let engine: ExecutionEngine;
const effects = new OrderedEffects();

before(async () => {
  dispatcher = await startTestDispatcher();
  engine = createEngine({
    dispatcher,
    effects,
    store: null,
    observer: { onExecution: () => {}, onEffect: () => {} },
    recordedBufferMax: 0,
    findVersion: async () => null,
    log: { warn: () => {} },
  });
});
after(async () => {
  engine.close();
  await dispatcher.close();
});

function codeProgram(source: string): Program {
  const code = { source, file: null, async: true, uses: ['input' as const, 'ctx' as const] };
  return {
    workflow: 'test',
    start: 'only',
    varsJson: '{}',
    webGlobals: [],
    effectParts: [],
    isolation: 'shared',
    nodes: [{ name: 'only', type: 'code', next: null, code }],
  };
}

function execute(workflow: ActiveWorkflow): Promise<Answer & { tookMs: number }> {
  const receivedMs = performance.now();
  return new Promise((resolve) => {
    engine.execute({ workflow, trigger: 'manual', inputJson: '{"body":{}}', body: null, receivedMs }, (answer) =>
      resolve({ ...answer, tookMs: performance.now() - receivedMs }),
    );
  });
}

/** Starts runs that wait for an effect each, and resolves when all of them wait. */
async function startWaiting(count: number): Promise<Promise<Answer>[]> {
  const workflow = activate(codeProgram('await ctx.sleep(5); return { waited: true };'), { durability: 'ephemeral' });
  const before = effects.performed.length;
  const answers = Array.from({ length: count }, () => execute(workflow));
  while (effects.performed.length < before + count) await sleep(5);
  return answers;
}

async function assertAllSucceed(answers: Promise<Answer>[]): Promise<void> {
  const drain = setInterval(() => effects.answerOne(), 1);
  try {
    const all = await Promise.all(answers);
    assert.deepEqual(
      all.map((answer) => answer.status),
      all.map(() => 200),
    );
  } finally {
    clearInterval(drain);
  }
}

/** Code that ends or wedges its process, or ignores the isolate's timeout and limits (measured for isolated-vm 7.0.1). */
const killers: [name: string, source: string, codes: string[]][] = [
  ['a V8 fatal error', 'return "x".repeat(2 ** 28).split("").length;', ['run_crashed', 'run_timed_out']],
  ['a plain endless loop', 'for (;;) {}', ['run_timed_out']],
  [
    'an endless chain of micro-tasks',
    'const spin = () => Promise.resolve().then(spin); await spin();',
    ['run_timed_out'],
  ],
  [
    'a lost error whose message never ends',
    'const e = new Error("x"); Object.defineProperty(e, "message", { get() { for (;;) {} } }); Promise.reject(e);',
    ['run_timed_out', 'run_crashed'],
  ],
  ['a catastrophic regular expression', 'return /^(a+)+$/.test("a".repeat(40) + "b");', ['run_timed_out']],
  [
    'indexOf over a huge array-like',
    'return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);',
    ['run_timed_out'],
  ],
  ['reversing a sparse array', 'return new Array(2 ** 32 - 1).reverse().length;', ['run_timed_out', 'run_crashed']],
  [
    'a loop of JSON.parse on 10 MB',
    'const t = JSON.stringify("x".repeat(10_000_000)); for (;;) JSON.parse(t);',
    ['run_timed_out', 'run_crashed'],
  ],
  [
    'localeCompare of huge strings',
    'const a = "a".repeat(1 << 27); for (;;) (a + "b").localeCompare(a + "c");',
    ['run_timed_out', 'run_crashed'],
  ],
  ['filling huge arrays', 'for (;;) new Array(2 ** 28).fill(0);', ['run_timed_out', 'run_crashed']],
  [
    'an array-push memory bomb',
    'const a = []; for (;;) a.push(new Array(1000).fill(a.length));',
    ['run_crashed', 'run_timed_out'],
  ],
  [
    'growable buffers',
    'const all = []; for (;;) { const b = new ArrayBuffer(0, { maxByteLength: 2 ** 30 }); b.resize(2 ** 28); new Uint8Array(b).fill(1); all.push(b); }',
    ['run_crashed', 'run_timed_out', 'node_failed'],
  ],
  ['BigInt arithmetic', 'let n = 3n; for (;;) n = n * n;', ['run_timed_out', 'node_failed', 'run_crashed']],
  [
    'string padding',
    'const all = []; for (let i = 0; ; i++) all.push("".padEnd(2 ** 28, String(i)).charCodeAt(5) + "".padEnd(2 ** 27, "é" + i));',
    ['run_crashed', 'run_timed_out', 'node_failed'],
  ],
  ['deep recursion', 'const f = (n) => f(n + 1) + 1; return f(0);', ['node_failed']],
];

for (const [name, source, codes] of killers) {
  test(`${name} ends within its timeout, and runs that wait meanwhile succeed`, { timeout: 60_000 }, async () => {
    const timeoutMs = 1000;
    const waiting = await startWaiting(100);
    const answer = await execute(activate(codeProgram(source), { durability: 'ephemeral', timeoutMs }));
    assert.ok(
      answer.error !== null && codes.includes(answer.error.code),
      `${answer.error?.code}: ${answer.error?.message}`,
    );
    // Within its limit and a second, at five times the value.
    assert.ok(answer.tookMs < timeoutMs + 5000, `it took ${Math.round(answer.tookMs)} ms`);
    await assertAllSucceed(waiting);
  });
}

test('a runner that is killed with 200 runs in flight fails none of them', { timeout: 60_000 }, async () => {
  const waiting = await startWaiting(150);
  const busy = activate(codeProgram('let n = 0; for (let i = 0; i < 2e6; i++) n += i; return { n };'), {
    durability: 'ephemeral',
  });
  const running = Array.from({ length: 50 }, () => execute(busy));
  await sleep(20);
  const restartsBefore = dispatcher.stats().restartsTotal;
  for (const pid of dispatcher.pids) process.kill(pid, 'SIGKILL');
  await assertAllSucceed([...waiting, ...running]);
  assert.ok(dispatcher.stats().restartsTotal > restartsBefore);
});

test('code that ends its process twice is told so, and ends no other run', { timeout: 60_000 }, async () => {
  const waiting = await startWaiting(20);
  const answer = await execute(
    activate(codeProgram('return "x".repeat(2 ** 28).split("").length;'), { durability: 'ephemeral' }),
  );
  assert.equal(answer.error?.code, 'run_crashed');
  assert.match(answer.error?.message ?? '', /twice/);
  await assertAllSucceed(waiting);
});

test('one segment over max_execution_seconds of CPU ends although its timeout is long', {
  timeout: 60_000,
}, async () => {
  const strict = await startTestDispatcher({ maxExecutionMs: 500 });
  const own = createEngine({
    dispatcher: strict,
    effects,
    store: null,
    observer: { onExecution: () => {}, onEffect: () => {} },
    recordedBufferMax: 0,
    findVersion: async () => null,
    log: { warn: () => {} },
  });
  try {
    const workflow = activate(codeProgram('for (;;) {}'), { durability: 'ephemeral', timeoutMs: 30_000 });
    const answer = await new Promise<Answer>((resolve) => {
      own.execute({ workflow, trigger: 'manual', inputJson: '{}', body: null, receivedMs: performance.now() }, resolve);
    });
    assert.equal(answer.error?.code, 'run_timed_out');
    assert.match(answer.error?.message ?? '', /max_execution_seconds/);
  } finally {
    own.close();
    await strict.close();
  }
});

test('a workflow that was quick a thousand times and then loops is still ended, and no other run fails', {
  timeout: 60_000,
}, async () => {
  const source = 'if (input.body.loop) for (;;) {} return { quick: true };';
  const workflow = activate(codeProgram(source), { durability: 'ephemeral', timeoutMs: 2000 });
  const call = (loop: boolean) =>
    new Promise<Answer>((resolve) => {
      const inputJson = JSON.stringify({ body: { loop } });
      engine.execute({ workflow, trigger: 'manual', inputJson, body: null, receivedMs: performance.now() }, resolve);
    });
  for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 100 }, () => call(false)));
  const waiting = await startWaiting(50);
  assert.equal((await call(true)).error?.code, 'run_timed_out');
  assert.equal((await call(false)).status, 200);
  await assertAllSucceed(waiting);
});

test('runs that come in while runners cannot even start wait for one that does', { timeout: 60_000 }, async () => {
  const workflow = activate(codeProgram('return { ok: true };'), { durability: 'ephemeral' });
  // More often than runners are started again at once.
  for (let i = 0; i < 7; i++) {
    const { restartsTotal } = dispatcher.stats();
    while (dispatcher.pids.length === 0) await sleep(2);
    for (const pid of dispatcher.pids) process.kill(pid, 'SIGKILL');
    while (dispatcher.stats().restartsTotal === restartsTotal) await sleep(2);
  }
  assert.equal((await execute(workflow)).status, 200);
});
