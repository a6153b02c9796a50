import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import type { EffectCall, EffectContext, EffectKind, EffectResult, Effects } from '../../src/effects/port.ts';
import { Execution, type ExecutionHost } from '../../src/engine/execution.ts';
import { Journal } from '../../src/engine/journal.ts';
import type { Answer } from '../../src/engine/port.ts';
import { NflowError } from '../../src/errors.ts';
import type { EndedExecution, ExecutionEnd, JournalRecord, Ledger, StartedExecution } from '../../src/store/port.ts';
import { activate, createHost, startOf, startTestDispatcher } from '../support/execution-harness.ts';
import { codeNode, programOf } from '../support/vm.ts';

let dispatcher: RunnerDispatcher;
before(async () => {
  dispatcher = await startTestDispatcher();
});
after(() => dispatcher.close());

/** What happened, in order: commits when they are asked for and when they are done, effects when they leave, the answer. */
class Timeline implements Ledger, Effects {
  readonly events: string[] = [];
  readonly #held: (() => void)[] = [];
  holds = false;
  fails: Error | null = null;
  /** Which commits fail, by the beginning of their names; '' for all. */
  failsAt = '';
  ends: (EndedExecution | ExecutionEnd)[] = [];
  records: JournalRecord[] = [];
  answers = new Map<string, (result: EffectResult) => void>();
  /** By the name of the effect. */
  readonly firstSendings = new Map<string, boolean>();

  async #commit(name: string): Promise<void> {
    this.events.push(`${name} asked`);
    if (this.holds) await new Promise<void>((resolve) => this.#held.push(resolve));
    else await sleep(1);
    if (this.fails !== null && name.startsWith(this.failsAt)) throw this.fails;
    this.events.push(`${name} done`);
  }

  release(): void {
    this.holds = false;
    for (const resolve of this.#held.splice(0)) resolve();
  }

  end(execution: EndedExecution): Promise<void> {
    this.ends.push(execution);
    return this.#commit('end');
  }

  start(_execution: StartedExecution, journal: JournalRecord[]): Promise<void> {
    this.records.push(...journal);
    return this.#commit(`start+${journal.length}`);
  }

  append(_id: string, journal: JournalRecord[]): Promise<void> {
    this.records.push(...journal);
    return this.#commit(`append+${journal.length}`);
  }

  finish(_id: string, end: ExecutionEnd): Promise<void> {
    this.ends.push(end);
    return this.#commit('finish');
  }

  get(kind: string): EffectKind {
    return {
      kind,
      isSafe: (argumentsJson) => !argumentsJson.includes('"POST"'),
      describe: () => kind,
      perform: (call: EffectCall, context: EffectContext) => {
        const name = call.kind === 'sleep' ? 'sleep' : (/"url":"([^"]*)"/.exec(call.argumentsJson)?.[1] ?? '');
        this.events.push(`leaves ${name}`);
        this.firstSendings.set(name, context.isFirstSending);
        if (name.startsWith('never')) return new Promise(() => {});
        if (name.startsWith('later')) return new Promise((resolve) => this.answers.set(name, resolve));
        return Promise.resolve(ok);
      },
    };
  }

  async close(): Promise<void> {}
}

const ok: EffectResult = { ok: true, json: '{"status":200,"headers":{},"bodyKind":"none","bodyText":""}' };

interface Running {
  timeline: Timeline;
  host: ExecutionHost;
  execution: Execution;
  answered: Promise<Answer>;
}

function begin(
  source: string,
  options: { durability?: 'durable' | 'recorded' | 'ephemeral'; timeoutMs?: number; timeline?: Timeline } = {},
): Running {
  const timeline = options.timeline ?? new Timeline();
  const host = createHost(dispatcher, timeline, timeline, { nowMs: 1_700_000_000_000 });
  let settle: (answer: Answer) => void = () => {};
  const answered = new Promise<Answer>((resolve) => {
    settle = resolve;
  });
  const workflow = activate(programOf([codeNode('a', source, 'b'), codeNode('b', 'return prev;')]), options);
  const execution = new Execution(host, startOf(workflow, 'id'), (answer) => {
    timeline.events.push('answer');
    settle(answer);
  });
  execution.begin();
  return { timeline, host, execution, answered };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2);
}

test('without effects, or with safe ones only, there is one commit and the answer comes after it', async () => {
  for (const source of ['return 1;', 'await ctx.http.get("x"); await ctx.sleep(1); return 1;']) {
    const { timeline, answered } = begin(source);
    assert.equal((await answered).status, 200);
    assert.deepEqual(
      timeline.events.filter((event) => !event.startsWith('leaves')),
      ['end asked', 'end done', 'answer'],
    );
  }
});

test('an unsafe effect leaves after the row and everything delivered before are committed', async () => {
  const { timeline, answered } = begin(
    'await ctx.http.get("x"); await ctx.http.post("y"); await ctx.http.post("z"); return 1;',
  );
  await answered;
  assert.deepEqual(timeline.events, [
    'leaves x',
    'start+1 asked',
    'start+1 done',
    'leaves y',
    'append+1 asked',
    'append+1 done',
    'leaves z',
    'finish asked',
    'finish done',
    'answer',
  ]);
});

test('safe effects do not wait for the commit that an unsafe one waits for', async () => {
  const timeline = new Timeline();
  timeline.holds = true;
  const { answered } = begin('const [a] = await Promise.all([ctx.http.post("y"), ctx.http.get("x")]); return 1;', {
    timeline,
  });
  await until(() => timeline.events.includes('leaves x'));
  assert.ok(!timeline.events.includes('leaves y'));
  timeline.release();
  assert.equal((await answered).status, 200);
  assert.ok(timeline.events.indexOf('start+0 done') < timeline.events.indexOf('leaves y'));
});

test('nothing is answered while the commit of the end is under way', async () => {
  const timeline = new Timeline();
  timeline.holds = true;
  const { answered } = begin('return 1;', { timeline });
  await until(() => timeline.events.includes('end asked'));
  await sleep(50);
  assert.ok(!timeline.events.includes('answer'));
  timeline.release();
  assert.equal((await answered).status, 200);
});

test('effects that are not awaited leave, are recorded, and hold the end back', async () => {
  const timeline = new Timeline();
  const { answered } = begin('ctx.http.post("later"); return 1;', { timeline });
  await until(() => timeline.answers.has('later'));
  await sleep(30);
  assert.ok(!timeline.events.includes('finish asked'));
  timeline.answers.get('later')?.(ok);
  assert.equal((await answered).status, 200);
  assert.match(String(timeline.ends[0]?.effects), /http/);
});

test('an outcome that the store cannot confirm is answered 503 with the id, never as a success', async () => {
  const timeline = new Timeline();
  timeline.fails = new NflowError('store_unavailable', 'away', { got: 'outcome unknown' });
  const answer = await begin('return 1;', { timeline }).answered;
  assert.equal(answer.error?.code, 'store_unavailable');
  assert.equal(answer.executionId, 'id');
  assert.equal(answer.body, null);
});

test('a record that the store refuses ends the execution as failed: its row does not stay running', async () => {
  const timeline = new Timeline();
  timeline.fails = new NflowError('internal_error', 'refused');
  timeline.failsAt = 'append';
  const { execution, answered } = begin('await ctx.http.post("y"); await ctx.http.post("z"); return 1;', { timeline });
  assert.equal((await answered).error?.code, 'internal_error');
  await until(() => execution.isOver);
  assert.equal(timeline.ends[0]?.status, 'failed');
  assert.ok(timeline.events.includes('finish done'));
  assert.ok(!timeline.events.includes('leaves z'));
});

test('recorded answers before its row, and drops rows over the buffer with a count', async () => {
  const timeline = new Timeline();
  timeline.holds = true;
  const first = begin('return 1;', { durability: 'recorded', timeline });
  assert.equal((await first.answered).status, 200);
  assert.deepEqual(timeline.events, ['answer', 'end asked']);
  first.host.recordedPending = first.host.recordedBufferMax;
  const workflow = activate(programOf([codeNode('a', 'return 1;')]), { durability: 'recorded' });
  await new Promise<void>((resolve) => new Execution(first.host, startOf(workflow, 'id2'), () => resolve()).begin());
  await until(() => first.host.recordedDropped === 1);
  assert.equal(timeline.ends.length, 1);
});

test('ephemeral writes nothing', async () => {
  const { timeline, answered } = begin('await ctx.http.post("y"); return 1;', { durability: 'ephemeral' });
  await answered;
  assert.deepEqual(timeline.events, ['leaves y', 'answer']);
});

test('a run that waits past its timeout ends timed_out, with the steps that it had', async () => {
  const { timeline, execution, answered } = begin('await ctx.http.post("never"); return 1;', { timeoutMs: 200 });
  const ticker = setInterval(() => execution.tick(performance.now()), 10);
  const answer = await answered;
  clearInterval(ticker);
  assert.equal(answer.error?.code, 'run_timed_out');
  assert.equal(answer.status, 504);
  assert.equal(timeline.ends[0]?.status, 'timed_out');
});

test('a client that leaves does not stop a durable execution, and cancels another at the next segment', async () => {
  const durable = begin('await ctx.http.post("later"); return 1;');
  await until(() => durable.timeline.answers.has('later'));
  durable.execution.clientLeft();
  durable.timeline.answers.get('later')?.(ok);
  await until(() => durable.execution.isOver);
  assert.equal(durable.timeline.ends[0]?.status, 'succeeded');
  const recorded = begin('await ctx.http.post("later"); await ctx.http.post("again"); return 1;', {
    durability: 'recorded',
  });
  await until(() => recorded.timeline.answers.has('later'));
  recorded.execution.clientLeft();
  recorded.timeline.answers.get('later')?.(ok);
  await until(() => recorded.execution.isOver);
  assert.equal(recorded.timeline.ends[0]?.status, 'cancelled');
  assert.ok(!recorded.timeline.events.includes('leaves again'));
});

test('a resume that calls something else than what is recorded ends as nondeterministic, naming both calls', async () => {
  const first = begin('await ctx.http.post("y"); await ctx.http.post("never"); return 1;');
  await until(() => first.timeline.events.includes('leaves never'));
  const resume = async (source: string): Promise<ExecutionEnd> => {
    const timeline = new Timeline();
    const host = createHost(dispatcher, timeline, timeline, { nowMs: 1_700_000_000_000 });
    const journal = new Journal();
    journal.restore(first.timeline.records);
    const workflow = activate(programOf([codeNode('a', source, 'b'), codeNode('b', 'return prev;')]));
    const execution = Execution.resume(host, startOf(workflow, 'id'), journal);
    execution.begin();
    await until(() => execution.isOver);
    assert.ok(!timeline.events.includes('leaves y'), 'a recorded effect was performed again');
    return timeline.ends[0] as ExecutionEnd;
  };
  const other = await resume('await ctx.http.post("z"); return 1;');
  assert.equal(other.status, 'failed');
  assert.match(String(other.error), /nondeterministic.*\\"url\\":\\"z\\"/);
  const fewer = await resume('await ctx.sleep(1); return 1;');
  assert.match(String(fewer.error), /nondeterministic/);
  const same = await resume('await ctx.http.post("y"); return 2;');
  assert.equal(same.status, 'succeeded');
});

test('a call is said to be its first sending until the execution was resumed: from then on it may be a repeat', async () => {
  const source = 'await ctx.http.post("y"); await ctx.http.post("never"); return 1;';
  const first = begin(source);
  await until(() => first.timeline.events.includes('leaves never'));
  assert.deepEqual(
    [...first.timeline.firstSendings],
    [
      ['y', true],
      ['never', true],
    ],
  );
  const timeline = new Timeline();
  const host = createHost(dispatcher, timeline, timeline, { nowMs: 1_700_000_000_000 });
  const journal = new Journal();
  journal.restore(first.timeline.records);
  const workflow = activate(programOf([codeNode('a', source, 'b'), codeNode('b', 'return prev;')]));
  Execution.resume(host, startOf(workflow, 'id'), journal).begin();
  await until(() => timeline.events.includes('leaves never'));
  assert.deepEqual([...timeline.firstSendings], [['never', false]]);
});

test('while the incarnation cannot beat no effect leaves; when it can again, it does', async () => {
  const timeline = new Timeline();
  const host = createHost(dispatcher, timeline, timeline, { nowMs: 1_700_000_000_000 });
  let mayAct = false;
  const incarnation = {
    id: '1',
    onFenced: () => {},
    takeOver: async () => 0,
    get mayAct() {
      return mayAct;
    },
  };
  const workflow = activate(programOf([codeNode('a', 'await ctx.http.post("y"); return 1;')]));
  let answer: Answer | null = null;
  const execution = new Execution({ ...host, incarnation }, startOf(workflow, 'id'), (given) => {
    answer = given;
  });
  execution.begin();
  await until(() => timeline.events.includes('start+0 done'));
  await sleep(30);
  assert.ok(!timeline.events.includes('leaves y'));
  mayAct = true;
  execution.tick(performance.now());
  await until(() => answer !== null);
  assert.ok(timeline.events.includes('leaves y'));
});

test('a body that is not JSON is refused without an execution', async () => {
  const timeline = new Timeline();
  const host = createHost(dispatcher, timeline, timeline, { nowMs: 1_700_000_000_000 });
  const workflow = activate(programOf([codeNode('a', 'return 1;')]));
  const answer = await new Promise<Answer>((resolve) => {
    const start = { ...startOf(workflow, 'id'), inputJson: '{}', body: Buffer.from('{"a":') };
    new Execution(host, start, resolve).begin();
  });
  assert.equal(answer.error?.code, 'bad_body');
  assert.equal(answer.executionId, null);
  assert.deepEqual(timeline.events, []);
});
