/**
 * What the engine, the server and the CLI need of the store. No connection, transaction or driver type appears here.
 *
 * Words: an *ended* execution is written whole, once, when it is over (it never had a row before); a *started* one got its
 * row before its first unsafe effect left, has an owner (the incarnation of a gateway) and a journal, and is *finished* later.
 */

export type Durability = 'durable' | 'recorded' | 'ephemeral';
export type ExecutionStatus = 'running' | 'waiting' | 'succeeded' | 'failed' | 'timed_out' | 'cancelled' | 'crashed';
export type EndStatus = Exclude<ExecutionStatus, 'running' | 'waiting'>;
export type TriggerKind = 'http' | 'manual';

/** Microseconds each. The store adds `batchWaitUs`: until the commit batch was sent. */
export interface Timing {
  queueUs: number;
  acquireUs: number;
  runUs: number;
  effectsUs: number;
  totalUs: number;
}

/** JSON text as it crossed: a string, or bytes that were never decoded. It may be invalid: what reads it must not trust it. */
export type JsonText = string | Uint8Array;

interface ExecutionIdentity {
  /** UUIDv7, lower-case text; its time is the execution's creation and its partition. */
  id: string;
  versionId: number;
  durability: Durability;
  trigger: TriggerKind;
  /** Input in one or two parts: with a second part, the first is an object without `body` and the second is the body's JSON text. */
  inputHead: JsonText;
  inputBody: JsonText | null;
}

export interface ExecutionEnd {
  status: EndStatus;
  /** HTTP status of the answer that the client was (or would have been) given. */
  httpStatus: number;
  /** Null when there is none (failed, timed out, …). */
  output: JsonText | null;
  /** JSON text of the error with its stack. */
  error: JsonText | null;
  /** `protocol/trace.ts`: steps, effects; and logs. */
  trace: JsonText | null;
  effects: JsonText | null;
  logs: JsonText | null;
  timing: Timing;
}

export interface EndedExecution extends ExecutionIdentity, ExecutionEnd {}

export interface StartedExecution extends ExecutionIdentity {
  seed: string;
  /** Ms since the epoch of the first segment; the guest's clock starts there on every replay. */
  startedAtMs: number;
  /** Ms since the epoch at which its `timeout` ends. */
  deadlineAtMs: number;
}

/** One record of the journal: the result of an effect, or the output of a finished step. Keyed (execution, stepPath, attempt, seq). */
export interface JournalRecord {
  stepPath: string;
  attempt: number;
  /** Of the effect, from 1; 0 for the step's output. */
  seq: number;
  /** Effect kind, or 'step'. */
  kind: string;
  /** SHA-256 of the canonical arguments, 32 bytes; null for a step. */
  argumentsHash: Uint8Array | null;
  ok: boolean;
  /** JSON text: the effect's result or error, or the step's output. */
  json: JsonText;
  /** Number of the segment that consumed the result (the first segment of an execution is 0); for a step: of the segment that finished it. */
  segment: number;
  /** Time that this segment saw, ms since the epoch. */
  segmentTimeMs: number;
  /** Order in which outputs and results were written, from 1, within the execution. */
  order: number;
}

/** A started execution that another incarnation left, now owned by this one, with all that a resume needs. */
export interface ResumableExecution extends StartedExecution {
  workflow: string;
  /** Times it was taken over in a row without a new journal record, this one included. */
  takeoversWithoutProgress: number;
  journal: JournalRecord[];
}

/**
 * The commit side. Every promise settles after the commit (or the failure) of what it was given.
 * Writes of one execution are applied in the order of the calls.
 *
 * `deadlineMs` is on the clock of `performance.now()`; Infinity is allowed. At the deadline the promise rejects with NflowError
 * `store_unavailable`; details.got is 'outcome unknown' when the write was sent and no answer came: it may be in the database.
 * The other rejections: `internal_error` with PostgreSQL's refusal of this one row, and `store_unavailable` once this
 * incarnation is fenced or the store is closed.
 *
 * What goes on after a rejection at the deadline, because the row of a started execution is there and nobody else would end it:
 * `append` and `finish` are sent until they are committed, all the same; a `start` with an unknown outcome is, should its row
 * be there, ended by the store as failed with `store_unavailable`. An `end`, or a `start` that was never sent, is dropped.
 */
export interface Ledger {
  /** Inserts an execution that is over. Repeating it changes nothing. */
  end(execution: EndedExecution, deadlineMs: number): Promise<void>;
  /** Inserts a running execution with what its journal holds so far, owned by this incarnation. */
  start(execution: StartedExecution, journal: JournalRecord[], deadlineMs: number): Promise<void>;
  /** Adds records to a started execution. */
  append(executionId: string, journal: JournalRecord[], deadlineMs: number): Promise<void>;
  /** Ends a started execution that this incarnation owns. Repeating it changes nothing: the first end stays. */
  finish(executionId: string, end: ExecutionEnd, deadlineMs: number): Promise<void>;
}

/** This gateway as an owner of executions. */
export interface Incarnation {
  readonly id: string;
  /**
   * Called once when the incarnation row is no longer live: somebody took over. The gateway must stop sending and exit.
   */
  onFenced(callback: () => void): void;
  /** False while this incarnation could not beat for half a lease: no effects may leave. */
  readonly mayAct: boolean;
  /**
   * Takes over what dead incarnations left and hands it out in batches. `dead` are incarnations whose process is known to
   * have ended (the supervisor saw it); others are taken when their beat stood still for a lease, and, when the store was
   * opened as exclusive, at once. Cheap when there is nothing to take: call it at the start and every few seconds. Rejects with
   * `store_unavailable` when PostgreSQL is away; what was handed out before stays owned by this incarnation.
   */
  takeOver(dead: string[], onExecutions: (executions: ResumableExecution[]) => void): Promise<number>;
}

export interface PublishedVersion {
  versionId: number;
  workflow: string;
  version: number;
  /** Canonical JSON text of the definition with every file's content inlined; what `workflow/compile` takes. */
  definitionText: string;
  publishedAt: Date;
}

export interface WorkflowStore {
  /** Publishes when the text differs from the published one, as the next version number. */
  publish(workflow: string, definitionText: string): Promise<{ version: PublishedVersion; changed: boolean }>;
  /** The published version of every workflow. */
  published(): Promise<PublishedVersion[]>;
  /** By id, also versions that are no longer published: for resumes and the history. */
  version(versionId: number): Promise<PublishedVersion | null>;
}

export interface ExecutionFilter {
  workflow?: string;
  status?: ExecutionStatus;
  /** Opaque, from a page before. */
  cursor?: string;
  /** 1 to 500. */
  limit: number;
}

export interface ExecutionSummary {
  id: string;
  workflow: string;
  version: number;
  status: ExecutionStatus;
  durability: Durability;
  trigger: TriggerKind;
  createdAt: Date;
  startedAt: Date;
  endedAt: Date | null;
  httpStatus: number | null;
  timing: (Timing & { batchWaitUs: number }) | null;
}

/** As stored: texts are not parsed. `journal` is filled while it is running. */
export interface StoredExecution extends ExecutionSummary {
  versionId: number;
  input: string;
  output: string | null;
  error: string | null;
  trace: string | null;
  effects: string | null;
  logs: string | null;
  journal: JournalRecord[];
}

export interface History {
  /** Newest first. A bad limit or cursor throws `invalid_input`. */
  list(filter: ExecutionFilter): Promise<{ items: ExecutionSummary[]; nextCursor: string | null }>;
  /**
   * By full id, or by a short id (the last 8 characters), which is looked for among the newest million: more than one match
   * throws `conflict`, naming them; what is neither throws `invalid_input`.
   */
  get(id: string): Promise<StoredExecution | null>;
}

export interface StoreStats {
  poolSize: number;
  poolInUse: number;
  poolWaiting: number;
  /** Rows waiting for a commit batch, and their bytes. */
  pendingRows: number;
  pendingBytes: number;
}

export interface Store {
  readonly ledger: Ledger;
  readonly incarnation: Incarnation;
  readonly workflows: WorkflowStore;
  readonly history: History;
  /** Ms to add to this machine's clock to get PostgreSQL's, clamped to ±2,000. */
  readonly clockOffsetMs: number;
  /** Answers whether a round trip works now, within a second. */
  isAvailable(): Promise<boolean>;
  /** Called for every commit batch: its rows, and milliseconds from sending it until it was committed. */
  onCommit: ((rows: number, durationMs: number) => void) | null;
  stats(): StoreStats;
  /** Waits for pending commits (at most `drainMs`), marks the incarnation as ended, closes connections. */
  close(drainMs: number): Promise<void>;
}
