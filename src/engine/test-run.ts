/** Runs a workflow once, for its author: as every other, but its history is handed back instead of kept. */
import type { Dispatcher } from '../dispatch/port.ts';
import type { EffectKind, Effects } from '../effects/port.ts';
import { NflowError } from '../errors.ts';
import type { EndedExecution, ExecutionEnd, Ledger, StartedExecution } from '../store/port.ts';
import { createEngine, type EngineStore } from './engine.ts';
import type { ActiveWorkflow, Answer } from './port.ts';

export interface TestRunRequest {
  workflow: ActiveWorkflow;
  /** JSON text of `input`; without `body` when `body` is given. */
  inputJson: string;
  body: Uint8Array | null;
  /** Effects that change something outside are not performed; each gives an empty success. Others are. */
  dryRun: boolean;
}

export interface TestRunResult {
  answer: Answer;
  /** Null when no execution came of it (its body was no JSON). */
  execution: (EndedExecution & { startedAtMs: number }) | null;
}

export interface TestRuns {
  /** Throws NflowError `queue_full` when too many are under way. */
  run(request: TestRunRequest): Promise<TestRunResult>;
}

/** People who try something are few, and share the VMs with real work. */
const testRunsMax = 10;
/** What an effect that was not performed gives: an HTTP answer without a body. */
const emptyAnswers: Readonly<Record<string, string>> = {
  http: JSON.stringify({ status: 200, headers: {}, bodyKind: 'none', bodyText: '' }),
};

export function createTestRuns(dispatcher: Dispatcher, effects: Effects): TestRuns {
  let running = 0;
  return {
    async run(request) {
      if (running >= testRunsMax) {
        throw new NflowError('queue_full', `${testRunsMax} test runs are under way already`, {
          expected: `at most ${testRunsMax} at one time`,
          remedy: 'repeat the request when one has ended',
        });
      }
      running++;
      try {
        return await runOnce(request, dispatcher, effects);
      } finally {
        running--;
      }
    },
  };
}

/** What a test decides instead of the machine. */
export interface TestWorld {
  /** The clock, ms since the epoch. */
  nowMs?: () => number;
  /** Of random numbers: 32 hexadecimal digits. */
  seed?: string;
}

export async function runOnce(
  request: TestRunRequest,
  dispatcher: Dispatcher,
  effects: Effects,
  { nowMs = Date.now, seed }: TestWorld = {},
): Promise<TestRunResult> {
  const history = new HistoryOfOne();
  const engine = createEngine({
    dispatcher,
    effects: request.dryRun ? withoutUnsafe(effects) : effects,
    store: storeAround(history, nowMs),
    ...(seed === undefined ? {} : { seeds: { next: () => seed } }),
    observer: { onExecution: () => {}, onEffect: () => {} },
    recordedBufferMax: 0,
    findVersion: async () => null,
    log: { warn: () => {} },
  });
  try {
    // Only a durable execution hands its whole history over before its answer.
    const { workflow, inputJson, body } = request;
    const durable: ActiveWorkflow = {
      versionId: workflow.versionId,
      version: workflow.version,
      program: workflow.program,
      compiled: { ...workflow.compiled, durability: 'durable' },
    };
    const startedAtMs = nowMs();
    const answer = await new Promise<Answer>((resolve) => {
      const receivedMs = performance.now();
      engine.execute({ workflow: durable, trigger: 'manual', inputJson, body, receivedMs }, resolve);
    });
    const { ended } = history;
    return { answer, execution: ended === null ? null : { ...ended, startedAtMs } };
  } finally {
    engine.close();
  }
}

/** A ledger that commits to nothing but memory. */
class HistoryOfOne implements Ledger {
  ended: EndedExecution | null = null;
  #started: StartedExecution | null = null;

  async end(execution: EndedExecution): Promise<void> {
    this.ended = execution;
  }

  async start(execution: StartedExecution): Promise<void> {
    this.#started = execution;
  }

  async append(): Promise<void> {}

  async finish(_executionId: string, end: ExecutionEnd): Promise<void> {
    if (this.#started === null) throw new TypeError('an execution that never started cannot be finished');
    this.ended = { ...this.#started, ...end };
  }
}

function storeAround(ledger: Ledger, nowMs: () => number): EngineStore {
  return {
    ledger,
    incarnation: { id: '', onFenced: () => {}, mayAct: true, takeOver: async () => 0 },
    get clockOffsetMs() {
      return nowMs() - Date.now();
    },
    classSlot: () => 0,
    isAvailable: async () => true,
  };
}

function withoutUnsafe(effects: Effects): Effects {
  return {
    get(name) {
      const effect = effects.get(name);
      return effect === undefined ? undefined : onlyIfSafe(effect);
    },
    isGranted: (kind, name, workflow) => effects.isGranted?.(kind, name, workflow) === true,
    // Without a cache: what was not performed must not be kept.
    close: async () => {},
  };
}

function onlyIfSafe(effect: EffectKind): EffectKind {
  const { kind } = effect;
  return {
    kind,
    resource: effect.resource,
    isConfined: effect.isConfined,
    isSafe: (argumentsJson) => effect.isSafe(argumentsJson),
    describe: (argumentsJson) =>
      effect.isSafe(argumentsJson)
        ? effect.describe(argumentsJson)
        : `${effect.describe(argumentsJson)} (not performed: dry run)`,
    perform: async (call, context) =>
      effect.isSafe(call.argumentsJson)
        ? effect.perform(call, context)
        : { ok: true, json: emptyAnswers[kind] ?? 'null' },
    verdictOf: (result) => effect.verdictOf?.(result) ?? { succeeded: true, retryable: false, retryAfterMs: null },
  };
}
