import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import type { EffectCall, EffectContext, EffectKind, EffectResult, Effects } from '../../src/effects/port.ts';
import { createEngine, type ExecutionEngine } from '../../src/engine/engine.ts';
import { Execution } from '../../src/engine/execution.ts';
import type { Answer } from '../../src/engine/port.ts';
import type { JournalRecord } from '../../src/store/port.ts';
import {
  activate,
  createHost,
  MemoryLedger,
  OrderedEffects,
  startOf,
  startTestDispatcher,
} from '../support/execution-harness.ts';
import { codeNode, programOf } from '../support/vm.ts';

/** Calls stay open until they are aborted; sleeps are over at once. */
class SlowEffects implements Effects {
  readonly calls: string[] = [];
  readonly aborted: string[] = [];

  get(kind: string): EffectKind {
    return {
      kind,
      isSafe: (argumentsJson) => !argumentsJson.includes('"POST"'),
      describe: () => kind,
      perform: ({ argumentsJson }: EffectCall, { signal }: EffectContext) => {
        this.calls.push(kind);
        if (kind === 'sleep') return Promise.resolve({ ok: true, json: 'null' });
        return new Promise<EffectResult>((finish) => {
          signal.addEventListener('abort', () => {
            this.aborted.push((JSON.parse(argumentsJson) as { url: string }).url);
            finish({ ok: false, json: '{"code":"effect_failed","message":"aborted","reason":"aborted"}' });
          });
        });
      },
    };
  }

  async close(): Promise<void> {}
}

let dispatcher: RunnerDispatcher;
before(async () => {
  dispatcher = await startTestDispatcher();
});
after(() => dispatcher.close());

/** Runs one code node on an engine with its own clock, without a store. */
async function runNow(source: string, effects: SlowEffects = new SlowEffects()): Promise<unknown> {
  const engine: ExecutionEngine = createEngine({
    dispatcher,
    effects,
    store: null,
    observer: { onExecution: () => {}, onEffect: () => {} },
    recordedBufferMax: 10,
    findVersion: async () => null,
    log: { warn: () => {} },
  });
  try {
    const workflow = activate(programOf([codeNode('a', source)]), { timeoutMs: 60_000 });
    const answer = await new Promise<Answer>((resolve) => {
      const receivedMs = performance.now();
      engine.execute({ workflow, trigger: 'manual', inputJson: '{}', body: null, receivedMs }, resolve);
    });
    assert.ok(answer.error === null, String(answer.error));
    return JSON.parse(Buffer.from(answer.body ?? []).toString()) as unknown;
  } finally {
    engine.close();
  }
}

test('timers fire in the order in which they are due, never early by the clock that code sees', async () => {
  const output = await runNow(`
    const out = [], began = Date.now();
    const due = (ms) => setTimeout(() => out.push([ms, Date.now() - began >= ms]), ms);
    due(80); due(20); due(50); clearTimeout(due(35)); due(20);
    await new Promise((done) => setTimeout(done, 81));
    return out;`);
  assert.deepEqual(
    output,
    [20, 20, 50, 80].map((ms) => [ms, true]),
  );
});

test('a fetch that is aborted by a timeout ends in the gateway too, and holds nothing up', async () => {
  const effects = new SlowEffects();
  const output = await runNow(
    `const call = (url) => fetch(url, { signal: AbortSignal.timeout(30) }).catch((error) => error.name);
     return await Promise.all([call('http://a/1'), call('http://a/2')]);`,
    effects,
  );
  assert.deepEqual(output, ['TimeoutError', 'TimeoutError']);
  assert.deepEqual(effects.aborted.toSorted(), ['http://a/1', 'http://a/2']);
});

test('a timer of more than a second that is left behind does not hold the end back', async () => {
  const effects = new SlowEffects();
  const waits = `const left = setTimeout(() => {}, 50_000); await ctx.sleep(1); return 'done';`;
  assert.equal(await runNow(waits, effects), 'done');
  assert.deepEqual(effects.calls, ['sleep', 'sleep']);
});

test('timers are written along with what is written next, and for themselves cost no commit', async () => {
  const written: JournalRecord[][] = [];
  class CountedLedger extends MemoryLedger {
    override append(executionId: string, journal: JournalRecord[]): Promise<void> {
      written.push(journal);
      return super.append(executionId, journal);
    }
  }
  const effects = new OrderedEffects();
  const host = createHost(dispatcher, effects, new CountedLedger(), { nowMs: 1_700_000_000_000 }, effects);
  const source = `
    const pause = () => new Promise((done) => setTimeout(done, 3));
    await ctx.http.post('http://target/ok/1');
    for (let i = 0; i < 5; i++) await pause();
    await ctx.http.post('http://target/ok/2');
    return 'done';`;
  const workflow = activate(programOf([codeNode('a', source)]));
  const answer = await new Promise<Answer>((resolve) => {
    const execution = new Execution(host, startOf(workflow, 'id'), resolve);
    execution.begin();
    const answering = setInterval(() => {
      effects.answerOne();
      if (execution.isOver) clearInterval(answering);
    }, 2);
  });
  assert.equal(answer.error, null);
  const kinds = written.map((records) => records.map((record) => `${record.kind} ${record.seq}`));
  // All at once, before the second call leaves: what fired first has to be known from then on.
  assert.equal(kinds.filter((records) => records.some((record) => record.startsWith('timer'))).length, 1);
  assert.deepEqual(
    kinds.flat().filter((record) => record.startsWith('timer')),
    [-1, -2, -3, -4, -5].map((seq) => `timer ${seq}`),
  );
});
