import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import type { EffectCall, EffectContext, EffectKind, EffectResult, Effects } from '../../src/effects/port.ts';
import { Execution } from '../../src/engine/execution.ts';
import { Journal } from '../../src/engine/journal.ts';
import type { Answer } from '../../src/engine/port.ts';
import type { ResourceArgument } from '../../src/protocol/resources.ts';
import type { JournalRecord } from '../../src/store/port.ts';
import { compileSource } from '../../src/workflow/published-source.ts';
import { activate, createHost, MemoryLedger, startOf, startTestDispatcher } from '../support/execution-harness.ts';

let dispatcher: RunnerDispatcher;
before(async () => {
  dispatcher = await startTestDispatcher();
});
after(() => dispatcher.close());

const answerOf = (status: number): EffectResult => ({
  ok: true,
  json: JSON.stringify({ status, headers: {}, bodyKind: 'text', bodyText: `status ${status}` }),
});

/** The effect `http` with answers that a test gives. */
class Calls implements Effects {
  readonly contexts: EffectContext[] = [];
  resource: ResourceArgument | null = null;
  granted: readonly string[] = [];
  readonly #answer: (call: number) => Promise<EffectResult>;

  constructor(answer: (call: number) => Promise<EffectResult> | EffectResult) {
    this.#answer = async (call) => answer(call);
  }

  get(kind: string): EffectKind {
    return {
      kind,
      resource: this.resource,
      isSafe: () => false,
      describe: () => 'a call',
      verdictOf: ({ json }) => ({ succeeded: !json.includes(':503,'), retryable: true, retryAfterMs: null }),
      perform: (_call: EffectCall, context: EffectContext) => this.#answer(this.contexts.push(context)),
    };
  }

  isGranted(_kind: string, name: string, workflow: string): boolean {
    return this.granted.includes(`${name} to ${workflow}`);
  }

  async close(): Promise<void> {}
}

function workflowOf(node: object) {
  const nodes = {
    call: { type: 'http', method: 'POST', url: 'http://a/', ...node, next: 'end' },
    end: { type: 'end' },
  };
  const compiled = compileSource(
    { definitionText: JSON.stringify({ format: 1, name: 'calling', nodes }), files: {} },
    {},
  );
  assert.ok(compiled.ok, JSON.stringify(compiled));
  return activate(compiled.compiled.program);
}

interface Run {
  calls: Calls;
  ledger: MemoryLedger;
  journal?: JournalRecord[];
}

function run(workflow: ReturnType<typeof workflowOf>, { calls, ledger, journal }: Run): Promise<Answer> {
  const host = createHost(dispatcher, calls, ledger, { nowMs: 1_700_000_000_000 });
  return new Promise((resolve) => {
    const start = startOf(workflow, 'id');
    if (journal === undefined) {
      new Execution(host, start, resolve).begin();
      return;
    }
    const restored = new Journal();
    restored.restore(journal);
    host.onOver = () => {
      const ended = ledger.ended.get('id');
      const error = ended?.error == null ? null : JSON.parse(String(ended.error));
      resolve({ executionId: 'id', status: ended?.httpStatus ?? 0, headers: null, body: null, error });
    };
    Execution.resume(host, start, restored).begin();
  });
}

test('a node is repeated as it says, with one key and one record, and its last answer goes on', async () => {
  const calls = new Calls((call) => answerOf(call < 3 ? 503 : 200));
  const ledger = new MemoryLedger();
  const retry = { attempts: 5, initial: '1ms', max: '1ms' };
  const answer = await run(workflowOf({ retry, idempotencyKey: "'order-' + input.body.name" }), { calls, ledger });
  assert.equal(answer.status, 200);
  assert.deepEqual(JSON.parse(String(answer.body)).body, 'status 200');
  assert.deepEqual(
    calls.contexts.map(({ idempotencyKey, isFirstSending }) => [idempotencyKey, isFirstSending]),
    Array.from({ length: 3 }, () => ['order-Ana', false]),
  );
  const [effect] = JSON.parse(String(ledger.ended.get('id')?.effects));
  assert.equal(effect[4], 'a call (attempt 3)');
});

test('a call that is made at most once is recorded before it leaves, and not repeated after a crash', async () => {
  const ledger = new MemoryLedger();
  let recorded: JournalRecord[] = [];
  const workflow = workflowOf({ atMostOnce: true });
  const calls = new Calls(() => {
    recorded = structuredClone(ledger.records.get('id') ?? []);
    return answerOf(200);
  });
  assert.equal((await run(workflow, { calls, ledger })).status, 200);
  assert.deepEqual(
    recorded.map(({ kind, ok, segment }) => [kind, ok, segment]),
    [['http', false, -1]],
  );
  // The server ended while the call was under way: another one goes on with what is recorded.
  const later = new Calls(() => answerOf(200));
  const answer = await run(workflow, { calls: later, ledger: new MemoryLedger(), journal: recorded });
  assert.equal(later.contexts.length, 0);
  assert.equal(answer.status, 502);
  assert.equal((answer.error as { code?: string } | null)?.code, 'effect_outcome_unknown');
});

test('what a version does not use, and what its workflow is not granted, is not performed', async () => {
  const calls = new Calls(() => answerOf(200));
  const foreign = workflowOf({});
  foreign.compiled.uses = { ...foreign.compiled.uses, effects: [] };
  const refused = await run(foreign, { calls, ledger: new MemoryLedger() });
  assert.deepEqual([refused.status, refused.error?.code], [500, 'not_granted']);
  assert.match(String(refused.error?.message), /the published version of calling does not use the effect 'http'/);

  calls.resource = { kind: 'datasources', argument: 'datasource', nameDefault: 'main' };
  const using = workflowOf({});
  using.compiled.uses = { ...using.compiled.uses, resources: { datasources: ['main'] } };
  const unnamed = await run(using, { calls, ledger: new MemoryLedger() });
  assert.match(String(unnamed.error?.message), /calling is not granted \[datasources.main\]/);
  calls.granted = ['main to calling'];
  assert.equal((await run(using, { calls, ledger: new MemoryLedger() })).status, 200);
  using.compiled.uses = { ...using.compiled.uses, resources: { datasources: ['other'] } };
  const other = await run(using, { calls, ledger: new MemoryLedger() });
  assert.match(String(other.error?.message), /does not use \[datasources.main\]/);
  assert.equal(calls.contexts.length, 1);
});

test('options that are not allowed fail the call and name what is', async () => {
  const calls = new Calls(() => answerOf(200));
  const answer = await run(workflowOf({ idempotencyKey: "'ñ'" }), { calls, ledger: new MemoryLedger() });
  assert.equal(answer.error?.code, 'effect_failed');
  assert.match(String(answer.error?.message), /idempotencyKey: allowed are visible ASCII characters/);
  assert.equal(calls.contexts.length, 0);
});
