/** The gateway's side of the runners, as the engine sees it. */

/** A program as runners know it: they are sent the text once, and name it by its id from then on. */
export interface ProgramRef {
  /** Unique in this process and never reused; a new compilation is a new id. */
  readonly id: number;
  readonly workflow: string;
  /** A runner never executes workflows of two trust groups. Null or absent: the default one. */
  readonly trustGroup?: string | null;
  readonly text: string;
}

/** Where a resumed run starts: after the last of these steps. */
export interface ResumePoint {
  /** Entry of every finished step (`protocol/trace.ts`), JSON text, in the order in which they finished. */
  finished: string[];
  /** Microseconds that the execution has been going on: the trace goes on from there. */
  elapsedUs: number;
}

export interface RunStart {
  program: ProgramRef;
  /** Public id, for `ctx.execution`. */
  executionId: string;
  version: number;
  /** JSON text of the input; without its `body` when `body` is given. */
  inputJson: string;
  /** JSON text of `input.body` as it arrived, not yet parsed by anybody; null when `inputJson` holds everything. */
  body: Uint8Array | null;
  /** Time of the first segment, ms since the epoch. */
  timeMs: number;
  /** 32 hex digits; the guest's random numbers derive from it. */
  seed: string;
  resume: ResumePoint | null;
  /** Wall clock (ms, `performance.now()` of the gateway) after which the run is stopped, in the middle of a segment too. */
  deadlineMs: number;
  care: Care;
  /** It was taken in before, and may have done something: it waits for its turn however long that takes, and is not refused. */
  isReturning?: boolean;
}

/**
 * How a run is treated that may have ended a runner:
 *   none         it has not
 *   careful      it was one of several: it runs beside others, and is announced alone before each segment
 *   quarantine   it was the one announced: it runs alone in a runner of its own
 */
export type Care = 'none' | 'careful' | 'quarantine';

/**
 * What a segment asks for. Besides effects: `timer`, with the milliseconds as its arguments and a negative `seq`, and `cancel`, which
 * takes back what has that `seq`.
 */
export interface IssuedEffect {
  stepPath: string;
  attempt: number;
  seq: number;
  kind: string;
  argumentsJson: string;
  /** JSON text of how it is made (`protocol/effect-options.ts`). Absent: once, without a limit of its own. */
  optionsJson?: string;
}

/** A step that finished in this segment; what a durable execution needs to resume after it. */
export interface FinishedStep {
  path: string;
  /** Its entry in the trace (`protocol/trace.ts`) with the output, JSON text. */
  entryJson: string;
}

export interface Segment {
  effects: IssuedEffect[];
  finished: FinishedStep[];
  /** Logs of this segment, JSON text of an array, or ''. */
  logsJson: string;
  /** Of this segment, measured in the runner. */
  durationMs: number;
  /** Time the segment waited in the runner for its VM. */
  acquireMs: number;
}

export type RunStatus = 'succeeded' | 'failed';

/** How a run ended by itself. Texts are opaque to the gateway: they are sent and stored as they are. */
export interface RunOutcome {
  status: RunStatus;
  /** HTTP status that the workflow chose; 0 for "200 with the output, 204 for null". */
  httpStatus: number;
  /** JSON text of the answer's headers (flat object of strings), or ''. */
  headersJson: string;
  /** JSON text of the output (the body of the answer); empty when failed. */
  output: Buffer;
  /** JSON text of the error when failed, else ''. */
  errorJson: string;
  /** JSON text of all steps, see `protocol/trace.ts`. */
  trace: Buffer;
  /** Logs of the last segment, JSON text of an array, or ''. */
  logsJson: string;
  /** Issued in the last segment, and not awaited. */
  effects: IssuedEffect[];
  durationMs: number;
  acquireMs: number;
}

/** Why a run was ended or must be dispatched again. */
export type RunLoss =
  /** Its VM or runner is gone through no known fault of its own: resume it elsewhere. */
  | { kind: 'lost' }
  /** It had left its VM, to make room or to get out of another's way, and a result for it has come: resume it. */
  | { kind: 'evicted' }
  /** Its segment was stopped although it had hardly any CPU time: run it again. */
  | { kind: 'interrupted' }
  /** The runner died while it executed this run, or (not alone) one of several that it is one of: resume it with that care. */
  | { kind: 'suspect'; care: 'careful' | 'quarantine' }
  /** It was stopped at its wall or CPU limit. */
  | { kind: 'timed_out'; limit: 'timeout' | 'max_execution_seconds' }
  /** It exceeded the memory of its VM, or killed a quarantine runner too. */
  | { kind: 'crashed'; reason: string }
  /** Every VM was executing for longer than `acquire_timeout_ms`, or is expected to be. */
  | { kind: 'pool_exhausted' };

/** Called by the dispatcher; after `onEnd` or `onLoss` the dispatch is over and nothing more is called. */
export interface RunListener {
  onSegment(segment: Segment): void;
  onEnd(outcome: RunOutcome): void;
  onLoss(loss: RunLoss): void;
  /** The body is not JSON: no step has run. */
  onBadBody(message: string): void;
}

export interface RunHandle {
  /**
   * Delivers one result, which starts one segment. `timeMs` is the time that the segment sees; `isReplay` says that the result was
   * delivered to an earlier dispatch of the execution as well.
   */
  deliver(stepPath: string, seq: number, ok: boolean, json: string, timeMs: number, isReplay: boolean): void;
  /** Forgets the run: frames that still come are dropped. */
  drop(): void;
}

export interface DispatchStats {
  runners: Readonly<Record<'fast' | 'slow' | 'spare' | 'quarantine', number>>;
  vmSize: number;
  vmInUse: number;
  waiting: number;
  exhaustedTotal: number;
  restartsTotal: number;
  killedTotal: number;
  vmCreatedTotal: number;
  /** Times that a runner left the fast lane because of a long segment. */
  handoffsTotal: number;
  /** Waiting runs that left their VM. */
  evictedTotal: number;
}

/** Told of every segment. */
export interface DispatchObserver {
  onSegment(lane: 'fast' | 'slow' | 'quarantine', durationMs: number): void;
  /** From a run's dispatch until it had a VM. */
  onAcquire(durationMs: number): void;
}

export interface Dispatcher {
  start(run: RunStart, listener: RunListener): RunHandle;
  stats(): DispatchStats;
  /** True when at least one runner is up. */
  readonly ready: boolean;
  close(): Promise<void>;
}
