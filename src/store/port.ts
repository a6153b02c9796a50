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
  /** Of the effect, from 1; of a timer, from -1 down; 0 for the step's output. */
  seq: number;
  /** Effect kind, 'timer' for one that has fired, or 'step'. */
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
  /** What lists and routes need of it without compiling it, as `workflow/summary` wrote it; null when nobody has yet. */
  summaryText: string | null;
}

/** A published version, and the label of what published it. */
export interface CatalogEntry extends PublishedVersion {
  origin: string | null;
}

/** Every workflow that is published, at one revision of the catalog. */
export interface Catalog {
  revision: number;
  entries: CatalogEntry[];
}

/** What to publish and what to take back, at once or not at all. */
export interface Publication {
  /** Nothing is written when the catalog has another revision by now; null: whatever it is. */
  revision: number | null;
  /** Each becomes the next version of its workflow, if its text differs from the published one. */
  versions: { workflow: string; definitionText: string; summaryText: string | null; origin: string | null }[];
  /** Workflows that answer no more. Archived ones are left out of lists too, and lose their draft. */
  takenBack: { workflow: string; archive: boolean }[];
  /** Workflows whose draft is what is published here: it is done with. */
  draftsDone: string[];
}

/** What a publication made: for each of its versions, in their order, the version that is published now. */
export interface Published {
  revision: number;
  versions: { version: CatalogEntry; changed: boolean }[];
}

/**
 * published    a version answers
 * unpublished  none does; there are versions
 * draft        there is no version yet
 * archived     taken out of use; versions are kept, since executions name them
 */
export type WorkflowState = 'published' | 'unpublished' | 'draft' | 'archived';

/** A workflow without the texts of its versions. */
export interface StoredWorkflow {
  workflow: string;
  state: WorkflowState;
  origin: string | null;
  versionCount: number;
  published: { versionId: number; version: number; publishedAt: Date; summaryText: string | null } | null;
  draftUpdatedAt: Date | null;
}

export interface WorkflowFilter {
  /** Without it: all but the archived ones. */
  state?: WorkflowState;
  origin?: string;
  /** Found in the name, in any case. */
  text?: string;
  /** Opaque, from a page before. */
  cursor?: string;
  /** 1 to 500. */
  limit: number;
}

/** What an author has put aside: the definition as written, and the code files that it names, by path. */
export interface StoredDraft {
  definitionText: string;
  files: Record<string, string>;
  updatedAt: Date;
}

export interface VersionSummary {
  version: number;
  publishedAt: Date;
  isPublished: boolean;
}

export interface WorkflowStore {
  /** Publishes one workflow, whatever else was published meanwhile, as the next version when the text differs. */
  publish(workflow: string, definitionText: string): Promise<{ version: PublishedVersion; changed: boolean }>;
  /** Publishes and takes back in one transaction. Null when the catalog has another revision than the publication was made for. */
  publishAll(publication: Publication): Promise<Published | null>;
  /** The published version of every workflow. */
  published(): Promise<PublishedVersion[]>;
  catalog(): Promise<Catalog>;
  /** What changed after that revision: versions that are published now, and the names of workflows that no longer are. */
  changesSince(revision: number): Promise<Catalog & { takenBack: string[] }>;
  /** Called with the revision whenever somebody, here or on another server, has published; now and then also when nobody has. */
  onRevision(callback: (revision: number) => void): void;
  /** Keeps summaries of versions, for the next start. */
  keepSummaries(summaries: { versionId: number; summaryText: string }[]): Promise<void>;
  /** By id, also versions that are no longer published: for resumes and the history. */
  version(versionId: number): Promise<PublishedVersion | null>;
  /** By number, of a workflow. */
  versionOf(workflow: string, version: number): Promise<PublishedVersion | null>;
  /** Newest first. `before`: a version number. */
  versions(workflow: string, before: number | null, limit: number): Promise<VersionSummary[]>;
  /** By name. A bad cursor throws `invalid_input`. */
  list(filter: WorkflowFilter): Promise<{ items: StoredWorkflow[]; nextCursor: string | null }>;
  get(workflow: string): Promise<StoredWorkflow | null>;
  draft(workflow: string): Promise<StoredDraft | null>;
  /** Replaces the draft. The workflow comes into being with its first one; `created` says so. */
  putDraft(
    workflow: string,
    definitionText: string,
    files: Record<string, string>,
  ): Promise<{ updatedAt: Date; created: boolean }>;
  /** False when there was none. A workflow that was nothing but its draft is gone with it. */
  deleteDraft(workflow: string): Promise<boolean>;
}

/** One life of one gateway. */
export interface StoredIncarnation {
  id: string;
  server: string;
  state: 'live' | 'dead' | 'ended';
  /** Counts up while it lives; two looks that see the same count see a gateway that is stuck or gone. */
  beat: number;
  startedAt: Date;
  endedAt: Date | null;
  /** The incarnation that went on with its executions. */
  takenBy: string | null;
}

/** Conditions of a search; all that are given must hold. */
export interface ExecutionFilter {
  workflow?: string;
  /** One, or any of several. */
  status?: ExecutionStatus | readonly ExecutionStatus[];
  /** Created at this time or later: ms since the epoch. */
  createdFromMs?: number;
  /** Created before this time: ms since the epoch. */
  createdBeforeMs?: number;
  /**
   * 1 to 200 characters. Found in the workflow's name and in the error of what did not succeed, in any case of its ASCII letters;
   * and as a whole id, or its last 8 characters. Payloads are not searched.
   */
  text?: string;
  /** Opaque, from a page before, of a search with the same conditions. */
  cursor?: string;
  /** 1 to 500. */
  limit: number;
}

/**
 * Newest first. A page looks through a bounded number of executions: where few of them match it may hold fewer items than asked
 * for, or none, and still have a `nextCursor`. Only a null one says that there is no more.
 */
export interface ExecutionPage {
  items: ExecutionSummary[];
  nextCursor: string | null;
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
  /** Bytes of the texts above, journal excluded, and what they take in the database: those over 8 KiB are compressed. */
  payloadBytes: number;
  storedBytes: number;
}

export interface History {
  /** Stable while executions come and are dropped. A bad limit, cursor, time or text throws `invalid_input`. */
  list(filter: ExecutionFilter): Promise<ExecutionPage>;
  /**
   * By full id, or by a short id (the last 8 characters), which is looked for among the newest million: more than one match
   * throws `conflict`, naming them; what is neither throws `invalid_input`.
   */
  get(id: string): Promise<StoredExecution | null>;
  /**
   * Keeps an execution past the retention of its class: until that time (ms since the epoch), or, when it is null, until it is
   * released. A second hold replaces the first. False when there is no such execution. By full id.
   */
  hold(id: string, untilMs: number | null): Promise<boolean>;
  /** Ends a hold: the execution goes with its class. False when it was not held. */
  release(id: string): Promise<boolean>;
}

/** What is known of a secret's value: `secrets/cipher.ts` opens it. */
export interface SealedSecret {
  keyId: string;
  nonce: Buffer;
  sealed: Buffer;
}

export interface NewSecretRow extends SealedSecret {
  name: string;
  hosts: string[];
  effects: string[];
  workflows: string[];
}

export interface SecretRow extends NewSecretRow {
  createdAt: Date;
  updatedAt: Date;
}

/** Throws NflowError `store_unavailable`. */
export interface SecretStore {
  /** Another text after every change. */
  revision(): Promise<string>;
  list(): Promise<SecretRow[]>;
  /** Replaces the one with that name. */
  put(row: NewSecretRow): Promise<void>;
  /** False when there is none. */
  delete(name: string): Promise<boolean>;
  /** All of them in one transaction, or none: when `encryptAgain` throws or gives null. Returns how many. */
  replaceAll(encryptAgain: (row: SecretRow) => SealedSecret | null): Promise<number>;
}

export interface StoreStats {
  poolSize: number;
  poolInUse: number;
  poolWaiting: number;
  /** Rows waiting for a commit batch, and their bytes. */
  pendingRows: number;
  pendingBytes: number;
  /** Rows in the default partitions, at the last look (every few minutes): not 0 when a clock is wrong. */
  defaultPartitionRows: number;
  /** Bytes on disk of executions and journals with their indexes, at the last look. */
  historyBytes: number;
}

export interface Store {
  readonly ledger: Ledger;
  readonly incarnation: Incarnation;
  readonly workflows: WorkflowStore;
  readonly secrets: SecretStore;
  readonly history: History;
  /** Of all servers: those that live, and those that ended in the last days; newest first, at most 500. */
  incarnations(): Promise<StoredIncarnation[]>;
  /** What an id has to carry for that retention class (`engine/execution-id`); 0 for null and for one that is not configured. */
  classSlot(name: string | null): number;
  /** Ms to add to this machine's clock to get PostgreSQL's, clamped to ±2,000. */
  readonly clockOffsetMs: number;
  /** Why PostgreSQL, though it is reached, has taken no writes for seconds (a full disk …); null while it does. */
  readonly trouble: string | null;
  /** Answers whether a round trip works now, within a second; false while there is `trouble`. */
  isAvailable(): Promise<boolean>;
  /** Called for every commit batch: its rows, and milliseconds from sending it until it was committed. */
  onCommit: ((rows: number, durationMs: number) => void) | null;
  stats(): StoreStats;
  /** Waits for pending commits (at most `drainMs`), marks the incarnation as ended, closes connections. */
  close(drainMs: number): Promise<void>;
}
