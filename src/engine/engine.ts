import type { Dispatcher } from '../dispatch/port.ts';
import type { Effects } from '../effects/port.ts';
import { NflowError } from '../errors.ts';
import type { ResumableExecution, Store } from '../store/port.ts';
import { Execution, type ExecutionHost } from './execution.ts';
import { ExecutionIds, Seeds } from './execution-id.ts';
import { failureOf } from './failure.ts';
import { Journal } from './journal.ts';
import type { ActiveWorkflow, Answer, Engine, EngineObserver, ExecutionRequest } from './port.ts';

export interface EngineOptions {
  dispatcher: Dispatcher;
  effects: Effects;
  /** Null: everything is kept in memory only, as `nflow run` does. */
  store: Store | null;
  observer: EngineObserver;
  /** Rows of `recorded` executions kept while the store is away. */
  recordedBufferMax: number;
  /** The version that a stored execution was started with. */
  findVersion: (versionId: number) => Promise<ActiveWorkflow | null>;
  log: { warn(message: string): void };
}

const tickMs = 25;
const storeCheckMs = 500;
/** Of one execution, in UTF-16 units. */
const journalSizeMax = 64 * 1024 * 1024;
const effectsPerRunMax = 10_000;
/** Takeovers of one execution without a new record between them: a poison execution must not end gateways in turn. */
const takeoversMax = 3;

export function createEngine(options: EngineOptions): ExecutionEngine {
  return new ExecutionEngine(options);
}

/** Starts executions, resumes those of dead servers, and keeps their time. What one execution does is in `Execution`. */
export class ExecutionEngine implements Engine {
  readonly #options: EngineOptions;
  readonly #host: ExecutionHost;
  readonly #ids: ExecutionIds;
  readonly #seeds = new Seeds();
  readonly #executions = new Set<Execution>();
  readonly #ticker: NodeJS.Timeout;
  readonly #storeChecker: NodeJS.Timeout | null;
  #storeIsUp = true;
  #draining = false;
  #onEmpty: (() => void) | null = null;

  constructor(options: EngineOptions) {
    this.#options = options;
    const { store } = options;
    const wallMs = store === null ? () => Date.now() : () => Date.now() + store.clockOffsetMs;
    this.#ids = new ExecutionIds(wallMs);
    this.#host = {
      dispatcher: options.dispatcher,
      effects: options.effects,
      ledger: store?.ledger ?? null,
      incarnation: store?.incarnation ?? null,
      observer: options.observer,
      journalSizeMax,
      effectsPerRunMax,
      recordedBufferMax: options.recordedBufferMax,
      recordedPending: 0,
      recordedDropped: 0,
      wallMs,
      onOver: (execution) => this.#onOver(execution),
    };
    this.#ticker = setInterval(() => {
      const nowMs = performance.now();
      for (const execution of this.#executions) execution.tick(nowMs);
    }, tickMs);
    this.#storeChecker = store === null ? null : setInterval(() => this.#checkStore(store), storeCheckMs);
  }

  get inFlight(): number {
    return this.#executions.size;
  }

  get historyDropped(): number {
    return this.#host.recordedDropped;
  }

  execute(request: ExecutionRequest, onAnswer: (answer: Answer) => void): () => void {
    const { workflow, receivedMs } = request;
    const { compiled } = workflow;
    const refusal = this.#refusal(compiled.durability === 'durable');
    if (refusal !== null) {
      onAnswer({ executionId: null, status: refusal.status, headers: null, body: null, error: refusal });
      return () => {};
    }
    const execution = new Execution(
      this.#host,
      {
        id: this.#ids.next(),
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
    execution.begin();
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

  #checkStore(store: Store): void {
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
