/** Runs executions on real runners with effects and a clock that a test controls. */
import { setImmediate } from 'node:timers/promises';
import type { Config } from '../../src/config/config.ts';
import { createDispatcher, type DispatcherOptions, type RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import type { Dispatcher, DispatchStats, RunHandle, RunListener, RunStart } from '../../src/dispatch/port.ts';
import type { EffectCall, EffectContext, EffectKind, EffectResult, Effects } from '../../src/effects/port.ts';
import type { ExecutionHost, ExecutionStart } from '../../src/engine/execution.ts';
import type { ActiveWorkflow } from '../../src/engine/port.ts';
import { createGuestLimits } from '../../src/protocol/guest-limits.ts';
import type { Program } from '../../src/protocol/program.ts';
import type { EndedExecution, ExecutionEnd, JournalRecord, Ledger, StartedExecution } from '../../src/store/port.ts';
import { usesOf } from '../../src/workflow/uses.ts';

export const testLimits = createGuestLimits(64);

export async function startTestDispatcher(
  options: Partial<Config['vmPool']> &
    Partial<Pick<DispatcherOptions, 'slowRunners' | 'learned'>> & { runners?: number } = {},
): Promise<RunnerDispatcher> {
  const { runners = 1, slowRunners = 0, learned, ...vmPool } = options;
  return createDispatcher({
    vmPool: {
      maxSize: 50,
      preloadSize: 1,
      idleTimeoutMs: 60_000,
      cleanupIntervalMs: 60_000,
      enableMetrics: true,
      acquireTimeoutMs: 60_000,
      maxMemoryMiB: 128,
      maxExecutionMs: 30_000,
      recycleAfterRuns: 100_000,
      ...vmPool,
    },
    fastRunners: runners,
    slowRunners,
    learned,
    limits: testLimits,
    log: { warn: () => {} },
  });
}

let lastProgramId = 0;

export function activate(
  program: Program,
  options: { durability?: ActiveWorkflow['compiled']['durability']; timeoutMs?: number } = {},
): ActiveWorkflow {
  return {
    versionId: 1,
    version: 1,
    compiled: {
      name: program.workflow,
      description: '',
      triggers: [{ type: 'manual' }],
      durability: options.durability ?? 'durable',
      timeoutMs: options.timeoutMs ?? 30_000,
      historyClass: null,
      trustGroup: null,
      effectFree: false,
      uses: usesOf(program),
      program,
      definitionText: '{}',
    },
    program: { id: ++lastProgramId, workflow: program.workflow, text: JSON.stringify(program) },
  };
}

/** Loses the run after every segment, as a runner's death would: the real runner is told to forget it. */
export class LossyDispatcher implements Dispatcher {
  readonly #inner: Dispatcher;
  readonly #loses: () => boolean;
  losses = 0;
  /** Frames on their way to or from the runner. */
  busy = 0;
  readonly #handles = new Set<RunHandle>();

  constructor(inner: Dispatcher, loses: () => boolean) {
    this.#inner = inner;
    this.#loses = loses;
  }

  get ready(): boolean {
    return this.#inner.ready;
  }

  start(run: RunStart, listener: RunListener): RunHandle {
    let gone = false;
    let outstanding = 1;
    this.busy++;
    const settle = (): void => {
      outstanding--;
      this.busy--;
    };
    const lose = (): void => {
      gone = true;
      this.losses++;
      this.busy -= outstanding;
      handle.drop();
      listener.onLoss({ kind: 'lost' });
    };
    const handle = this.#inner.start(run, {
      onSegment: (segment) => {
        if (gone) return;
        settle();
        // The segment's frame arrived, so what it asks for counts; then its VM is gone.
        listener.onSegment(segment);
        if (!gone && this.#loses()) lose();
      },
      onEnd: (outcome) => {
        if (gone) return;
        // Deliveries may still be on their way to a run that has ended: nobody answers them.
        gone = true;
        this.busy -= outstanding;
        listener.onEnd(outcome);
      },
      onLoss: (loss) => {
        if (gone) return;
        this.busy -= outstanding;
        listener.onLoss(loss);
      },
      onBadBody: (message) => {
        settle();
        listener.onBadBody(message);
      },
    });
    this.#handles.add(handle);
    return {
      deliver: (stepPath, seq, ok, json, timeMs, isReplay) => {
        if (gone) return;
        outstanding++;
        this.busy++;
        handle.deliver(stepPath, seq, ok, json, timeMs, isReplay);
      },
      drop: () => {
        if (!gone) this.busy -= outstanding;
        gone = true;
        handle.drop();
      },
    };
  }

  /** Forgets every run, as the death of the gateway would. */
  dropAll(): void {
    for (const handle of this.#handles) handle.drop();
  }

  stats(): DispatchStats {
    return this.#inner.stats();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

interface OpenCall {
  call: EffectCall;
  finish: (result: EffectResult) => void;
}

/**
 * Effects that are answered one at a time, in an order that depends on their arguments only, and only when nothing else moves: so two
 * passes over one program see the same order of results. Alarms ring in between, chosen in the same way.
 */
export class OrderedEffects implements Effects {
  readonly performed: string[] = [];
  readonly keys = new Map<string, string[]>();
  readonly #open: OpenCall[] = [];
  readonly #alarms = new Set<{ atMs: number; ring: () => void }>();
  answered = 0;

  get(kind: string): EffectKind | undefined {
    if (kind !== 'http' && kind !== 'sleep') return undefined;
    return {
      kind,
      isSafe: (argumentsJson) => kind === 'sleep' || argumentsJson.includes('"method":"GET"'),
      describe: () => kind,
      perform: (call: EffectCall, context: EffectContext) =>
        new Promise<EffectResult>((finish) => {
          this.performed.push(`${kind} ${call.argumentsJson}`);
          this.keys.set(context.idempotencyKey, [...(this.keys.get(context.idempotencyKey) ?? []), call.argumentsJson]);
          this.#open.push({ call, finish });
        }),
    };
  }

  setAlarm(atMs: number, ring: () => void): () => void {
    const alarm = { atMs, ring };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  /** Rings the alarm that is due first; false when there is none. */
  #ringOne(): boolean {
    const [next] = [...this.#alarms].sort((left, right) => left.atMs - right.atMs);
    if (next === undefined) return false;
    this.#alarms.delete(next);
    this.answered++;
    next.ring();
    return true;
  }

  /** Answers one open effect, or rings one alarm; false when there is neither. */
  answerOne(): boolean {
    const ringsFirst = rank(`turn ${this.answered}`) % 2 === 0;
    if (ringsFirst && this.#ringOne()) return true;
    return this.#answerCall() || this.#ringOne();
  }

  #answerCall(): boolean {
    this.#open.sort((left, right) => rank(left.call.argumentsJson) - rank(right.call.argumentsJson));
    const next = this.#open.shift();
    if (next === undefined) return false;
    this.answered++;
    const { argumentsJson } = next.call;
    if (next.call.kind === 'sleep') next.finish({ ok: true, json: 'null' });
    else if (argumentsJson.includes('/fail/')) {
      next.finish({ ok: false, json: '{"code":"effect_failed","message":"no","reason":"connect","retryable":true}' });
    } else {
      const bodyText = JSON.stringify({ rank: rank(argumentsJson) });
      next.finish({ ok: true, json: JSON.stringify({ status: 200, headers: {}, bodyKind: 'json', bodyText }) });
    }
    return true;
  }

  async close(): Promise<void> {}
}

function rank(text: string): number {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  return hash >>> 0;
}

/** A ledger in memory with the same rules; what is in `rows` and `records` is committed. */
export class MemoryLedger implements Ledger {
  readonly started = new Map<string, StartedExecution>();
  readonly records = new Map<string, JournalRecord[]>();
  readonly ended = new Map<string, ExecutionEnd | EndedExecution>();
  finishes = 0;

  async end(execution: EndedExecution): Promise<void> {
    await setImmediate();
    if (!this.ended.has(execution.id)) this.ended.set(execution.id, execution);
  }

  async start(execution: StartedExecution, journal: JournalRecord[]): Promise<void> {
    await setImmediate();
    if (!this.started.has(execution.id)) this.started.set(execution.id, execution);
    this.#add(execution.id, journal);
  }

  async append(executionId: string, journal: JournalRecord[]): Promise<void> {
    await setImmediate();
    this.#add(executionId, journal);
  }

  async finish(executionId: string, end: ExecutionEnd): Promise<void> {
    await setImmediate();
    this.finishes++;
    this.ended.set(executionId, end);
  }

  #add(executionId: string, journal: JournalRecord[]): void {
    const kept = this.records.get(executionId) ?? [];
    for (const record of journal) {
      const at = kept.findIndex(
        (one) => one.stepPath === record.stepPath && one.attempt === record.attempt && one.seq === record.seq,
      );
      if (at < 0) kept.push(record);
      else if ((kept[at] as JournalRecord).segment < 0) kept[at] = record;
    }
    this.records.set(executionId, kept);
  }
}

/** For tests whose programs set no timers that matter: they ring at once. */
const promptAlarms: Pick<ExecutionHost, 'setAlarm'> = {
  setAlarm(_atMs, ring) {
    const timer = setTimeout(ring, 1);
    return () => clearTimeout(timer);
  },
};

/** A host whose clock advances by one millisecond each time it is asked: replays must not ask it. */
export function createHost(
  dispatcher: Dispatcher,
  effects: Effects,
  ledger: Ledger | null,
  clock: { nowMs: number },
  alarms: Pick<ExecutionHost, 'setAlarm'> = promptAlarms,
): ExecutionHost {
  return {
    dispatcher,
    effects,
    ledger,
    incarnation: null,
    observer: { onExecution: () => {}, onEffect: () => {} },
    journalSizeMax: 64 * 1024 * 1024,
    effectsPerRunMax: 10_000,
    recordedBufferMax: 1000,
    recordedPending: 0,
    recordedDropped: 0,
    wallMs: () => clock.nowMs++,
    setAlarm: (atMs, ring) => alarms.setAlarm(atMs, ring),
    listener: null,
    onOver: () => {},
  };
}

export function startOf(workflow: ActiveWorkflow, id: string): ExecutionStart {
  const nowMs = performance.now();
  return {
    id,
    seed: '00112233445566778899aabbccddeeff',
    workflow,
    durability: workflow.compiled.durability,
    trigger: 'manual',
    inputJson: '{"body":{"name":"Ana"}}',
    body: null,
    receivedMs: nowMs,
    startedAtMs: 1_700_000_000_000,
    deadlineMs: nowMs + workflow.compiled.timeoutMs,
  };
}
