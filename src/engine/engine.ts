import type { Dispatcher } from '../dispatch/port.ts';
import type { Effects } from '../effects/port.ts';
import { NflowError } from '../errors.ts';
import type { ResumableExecution, Store } from '../store/port.ts';
import { CircuitBreaker, type CircuitBreakerOptions } from './circuit-breaker.ts';
import { Execution, type ExecutionHost } from './execution.ts';
import { ExecutionIds, Seeds } from './execution-id.ts';
import { failureOf } from './failure.ts';
import { Journal } from './journal.ts';
import type {
  ActiveWorkflow,
  Answer,
  Engine,
  EngineObserver,
  ExecutionEvent,
  ExecutionEvents,
  ExecutionRequest,
} from './port.ts';

/** What of the store executions need. */
export type EngineStore = Pick<Store, 'ledger' | 'incarnation' | 'clockOffsetMs' | 'classSlot' | 'isAvailable'>;

export interface EngineOptions {
  dispatcher: Dispatcher;
  effects: Effects;
  /** Null: everything is kept in memory only, as `nflow run` does. */
  store: EngineStore | null;
  observer: EngineObserver;
  /** Rows of `recorded` executions kept while the store is away. */
  recordedBufferMax: number;
  /** Absent: workflows that crash are not paused. */
  circuitBreaker?: Pick<CircuitBreakerOptions, 'crashesMax' | 'pauseMs'>;
  /** The version that a stored execution was started with. */
  findVersion: (versionId: number) => Promise<ActiveWorkflow | null>;
  /** Gives each execution the seed of its random numbers: 32 hexadecimal digits. Absent: by chance. */
  seeds?: { next(): string };
  log: { warn(message: string): void };
}

const tickMs = 25;
const storeCheckMs = 500;
/** Of one execution, in UTF-16 units. */
const journalSizeMax = 64 * 1024 * 1024;
const effectsPerRunMax = 10_000;
/** Takeovers of one execution without a new record between them: a poison execution must not end gateways in turn. */
const takeoversMax = 3;

/** Past it a timer would be late because the clock was set back: it fires then. Programs set none that is longer. */
const alarmMsMax = 1000;

/** By the monotonic clock, never early. */
function setAlarm(afterMs: number, ring: () => void): () => void {
  const endMs = performance.now() + Math.min(afterMs, alarmMsMax);
  const wait = (): NodeJS.Timeout => setTimeout(look, Math.max(1, Math.ceil(endMs - performance.now())));
  const look = (): void => {
    if (performance.now() >= endMs) ring();
    else timer = wait();
  };
  let timer = wait();
  return () => clearTimeout(timer);
}

export function createEngine(options: EngineOptions): ExecutionEngine {
  return new ExecutionEngine(options);
}

/** Starts executions, resumes those of dead servers, and keeps their time. What one execution does is in `Execution`. */
export class ExecutionEngine implements Engine, ExecutionEvents {
  readonly #options: EngineOptions;
  readonly #host: ExecutionHost;
  readonly #ids: ExecutionIds;
  readonly #seeds: { next(): string };
  readonly #breaker: CircuitBreaker;
  readonly #executions = new Set<Execution>();
  readonly #listeners = new Set<(event: ExecutionEvent) => void>();
  readonly #ticker: NodeJS.Timeout;
  readonly #storeChecker: NodeJS.Timeout | null;
  #heldBytes = 0;
  #storeIsUp = true;
  #draining = false;
  #onEmpty: (() => void) | null = null;

  constructor(options: EngineOptions) {
    this.#options = options;
    const { store, seeds = new Seeds() } = options;
    this.#seeds = seeds;
    const wallMs = store === null ? () => Date.now() : () => Date.now() + store.clockOffsetMs;
    this.#ids = new ExecutionIds(wallMs);
    const { crashesMax, pauseMs } = options.circuitBreaker ?? { crashesMax: 0, pauseMs: 0 };
    this.#breaker = new CircuitBreaker({ crashesMax, pauseMs, log: options.log });
    this.#host = {
      dispatcher: options.dispatcher,
      effects: options.effects,
      ledger: store?.ledger ?? null,
      incarnation: store?.incarnation ?? null,
      onCrash: (workflow) => this.#breaker.onEnd(workflow, 'crashed', performance.now()),
      observer: {
        onExecution: (workflow, durability, status, durationMs) => {
          if (status !== 'crashed') this.#breaker.onEnd(workflow, status, performance.now());
          options.observer.onExecution(workflow, durability, status, durationMs);
        },
        onEffect: (kind, durationMs, ok) => options.observer.onEffect(kind, durationMs, ok),
      },
      journalSizeMax,
      effectsPerRunMax,
      recordedBufferMax: options.recordedBufferMax,
      recordedPending: 0,
      recordedDropped: 0,
      wallMs,
      setAlarm: (atMs, ring) => setAlarm(atMs - wallMs(), ring),
      listener: null,
      onOver: (execution) => this.#onOver(execution),
    };
    this.#ticker = setInterval(() => {
      const nowMs = performance.now();
      let heldBytes = 0;
      for (const execution of this.#executions) {
        execution.tick(nowMs);
        heldBytes += execution.heldBytes;
      }
      this.#heldBytes = heldBytes;
    }, tickMs);
    this.#storeChecker = store === null ? null : setInterval(() => this.#checkStore(store), storeCheckMs);
  }

  get inFlight(): number {
    return this.#executions.size;
  }

  /** Bytes that executions hold beside their requests, as of the last tick: journals, and inputs whose clients have left. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  get historyDropped(): number {
    return this.#host.recordedDropped;
  }

  /** Workflows that are paused because they crashed, now and in all. */
  get circuits(): { open: number; openedTotal: number } {
    return { open: this.#breaker.open, openedTotal: this.#breaker.openedTotal };
  }

  execute(request: ExecutionRequest, onAnswer: (answer: Answer) => void): () => void {
    const { workflow, receivedMs } = request;
    const { compiled } = workflow;
    const refusal =
      this.#refusal(compiled.durability === 'durable') ?? this.#breaker.refusal(compiled.name, receivedMs);
    if (refusal !== null) {
      onAnswer({ executionId: null, status: refusal.status, headers: null, body: null, error: refusal });
      return () => {};
    }
    const execution = new Execution(
      this.#host,
      {
        id: this.#ids.next(this.#options.store?.classSlot(compiled.historyClass)),
        seed: this.#seeds.next(),
        workflow,
        durability: compiled.durability,
        trigger: request.trigger,
        inputJson: request.inputJson,
        body: request.body,
        receivedMs,
        startedAtMs: Math.floor(this.#host.wallMs()),
        deadlineMs: receivedMs + compiled.timeoutMs,
      },
      onAnswer,
    );
    this.#executions.add(execution);
    try {
      execution.begin();
    } catch (error) {
      // Its program, compiled only now, does not compile.
      this.#executions.delete(execution);
      throw error;
    }
    return () => execution.clientLeft();
  }

  /** Goes on with executions that a dead incarnation left. Their timeout starts anew: nobody waits for them any more. */
  async resume(resumables: ResumableExecution[]): Promise<void> {
    for (const resumable of resumables) {
      const workflow = await this.#options.findVersion(resumable.versionId);
      if (workflow === null) {
        this.#options.log.warn(
          `execution ${resumable.id} waits: version ${resumable.versionId} of ${resumable.workflow} cannot be compiled`,
        );
        continue;
      }
      this.#resumeOne(resumable, workflow);
    }
  }

  subscribe(listener: (event: ExecutionEvent) => void): () => void {
    this.#listeners.add(listener);
    this.#host.listener = (event) => {
      for (const each of this.#listeners) each(event);
    };
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#host.listener = null;
    };
  }

  async drain(drainMs: number): Promise<void> {
    this.#draining = true;
    if (this.#executions.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, drainMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  close(): void {
    clearInterval(this.#ticker);
    if (this.#storeChecker !== null) clearInterval(this.#storeChecker);
  }

  #refusal(isDurable: boolean): NflowError | null {
    if (this.#draining)
      return new NflowError('draining', 'this server is stopping', {
        remedy: 'repeat the request: another server takes it',
      });
    if (isDurable && !this.#storeIsUp) {
      return new NflowError(
        'store_unavailable',
        'the database is not reached, and nothing is acknowledged before it is committed',
        {
          remedy: 'repeat the request after Retry-After',
        },
      );
    }
    return null;
  }

  #resumeOne(resumable: ResumableExecution, workflow: ActiveWorkflow): void {
    const nowMs = performance.now();
    const journal = new Journal();
    journal.restore(resumable.journal);
    const execution = Execution.resume(
      this.#host,
      {
        id: resumable.id,
        seed: resumable.seed,
        workflow,
        durability: resumable.durability,
        trigger: resumable.trigger,
        inputJson: textOf(resumable.inputHead),
        body: null,
        receivedMs: nowMs,
        startedAtMs: resumable.startedAtMs,
        deadlineMs: nowMs + workflow.compiled.timeoutMs,
      },
      journal,
    );
    this.#executions.add(execution);
    if (resumable.takeoversWithoutProgress >= takeoversMax) {
      const message = `${takeoversMax} servers in a row ended while they had it, without any progress`;
      execution.abandon(failureOf('crashed', 'run_crashed', message, resumable.workflow));
      return;
    }
    execution.begin();
  }

  #onOver(execution: Execution): void {
    this.#executions.delete(execution);
    if (this.#draining && this.#executions.size === 0) this.#onEmpty?.();
  }

  #checkStore(store: EngineStore): void {
    store.isAvailable().then(
      (isUp) => {
        this.#storeIsUp = isUp;
      },
      () => {
        this.#storeIsUp = false;
      },
    );
  }
}

function textOf(text: string | Uint8Array): string {
  return typeof text === 'string' ? text : Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString('utf8');
}
