import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import type { EffectCall, EffectKind, EffectResult, Effects } from '../../src/effects/port.ts';
import { Execution } from '../../src/engine/execution.ts';
import { Journal } from '../../src/engine/journal.ts';
import type { JournalRecord } from '../../src/store/port.ts';
import { compileSource } from '../../src/workflow/published-source.ts';
import { activate, createHost, MemoryLedger, startOf, startTestDispatcher } from '../support/execution-harness.ts';

let dispatcher: RunnerDispatcher;
before(async () => {
  dispatcher = await startTestDispatcher();
});
after(() => dispatcher.close());

/** The effect `http`: `/busy` answers 503, all else 200. */
class Target implements Effects {
  readonly urls: string[] = [];
  readonly #onCall: (url: string) => void;

  constructor(onCall: (url: string) => void = () => {}) {
    this.#onCall = onCall;
  }

  get(kind: string): EffectKind {
    return {
      kind,
      isSafe: () => false,
      describe: () => 'a call',
      verdictOf: ({ json }) => ({ succeeded: !json.includes(':503,'), retryable: true, retryAfterMs: null }),
      perform: async ({ argumentsJson }: EffectCall): Promise<EffectResult> => {
        const { url } = JSON.parse(argumentsJson) as { url: string };
        this.urls.push(url);
        this.#onCall(url);
        const status = url.endsWith('/busy') ? 503 : 200;
        return { ok: true, json: JSON.stringify({ status, headers: {}, bodyKind: 'none', bodyText: '' }) };
      },
    };
  }

  isGranted(): boolean {
    return false;
  }

  async close(): Promise<void> {}
}

function workflow(): ReturnType<typeof activate> {
  const post = { type: 'http', method: 'POST' };
  const retry = { attempts: 2, initial: '1ms', max: '1ms' };
  const nodes = {
    order: { ...post, url: 'http://a/busy', retry, onError: 'describe', next: 'end' },
    describe: { type: 'code', code: 'return error.status + " after " + error.attempts', next: 'tell' },
    tell: { ...post, url: 'http://a/tell', next: 'end' },
    end: { type: 'end', output: '{{ [nodes.describe, typeof nodes.order] }}' },
  };
  const definitionText = JSON.stringify({ format: 1, name: 'calling', nodes });
  const compiled = compileSource({ definitionText, files: {} }, {});
  assert.ok(compiled.ok, JSON.stringify(compiled));
  return activate(compiled.compiled.program);
}

function pathsAndStatuses(trace: unknown): string[] {
  return (JSON.parse(String(trace)) as unknown[][]).map(([path, , status]) => `${path} ${status}`);
}

test('a call that failed after all attempts leads along its edge, and a resume does not make it again', async () => {
  const ledger = new MemoryLedger();
  let recorded: JournalRecord[] = [];
  const target = new Target((url) => {
    if (url.endsWith('/tell')) recorded = structuredClone(ledger.records.get('id') ?? []);
  });
  const answer = await new Promise<{ status: number; body: Uint8Array | null }>((resolve) => {
    const host = createHost(dispatcher, target, ledger, { nowMs: 1_700_000_000_000 });
    new Execution(host, startOf(workflow(), 'id'), resolve).begin();
  });
  assert.equal(answer.status, 200);
  assert.deepEqual(JSON.parse(String(answer.body)), ['503 after 2', 'undefined']);
  assert.deepEqual(target.urls, ['http://a/busy', 'http://a/busy', 'http://a/tell']);
  const steps = ['order 0', 'describe 1', 'tell 1', 'end 1'];
  assert.deepEqual(pathsAndStatuses(ledger.ended.get('id')?.trace), steps);

  // The server ended while the second call was under way: another one goes on with what is recorded.
  const later = new Target();
  const laterLedger = new MemoryLedger();
  const journal = new Journal();
  journal.restore(recorded);
  const host = createHost(dispatcher, later, laterLedger, { nowMs: 1_700_000_000_000 });
  await new Promise<void>((resolve) => {
    host.onOver = () => resolve();
    Execution.resume(host, startOf(workflow(), 'id'), journal).begin();
  });
  assert.deepEqual(later.urls, ['http://a/tell']);
  const ended = laterLedger.ended.get('id');
  assert.deepEqual(JSON.parse(String(ended?.output)), ['503 after 2', 'undefined']);
  assert.deepEqual(pathsAndStatuses(ended?.trace), steps);
});
