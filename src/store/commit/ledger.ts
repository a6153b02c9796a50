/**
 * Group commit. The callers of one moment share a transaction: a commit costs a disk flush, whether it carries one row or 500.
 *
 * There is no timer: a batch leaves when a connection is free, so a lone row leaves at once and under load batches grow by
 * themselves while the one before is flushed. Rules, each with the trouble it prevents:
 *
 * - rows are sorted by id: two batches with common rows in opposite order would deadlock;
 * - all that waits for one execution leaves together, and the next part only after the answer: its writes keep their order;
 * - rows over 256 KiB leave alone on their own connection: they would delay 499 small ones;
 * - a batch without started executions is one statement; any other begins with the check that this incarnation is live and
 *   holds its row, so that who takes over waits for the batch or makes it fail (see incarnation.ts);
 * - refused because of a row: halved until the bad row fails alone. Refused because of the server, or lost: sent again, which
 *   changes nothing where it had happened, until the deadline of each write.
 */
import diagnosticsChannel from 'node:diagnostics_channel';
import type { Dsn } from '../../config/dsn.ts';
import { NflowError } from '../../errors.ts';
import { type DatabaseError, isDatabaseError } from '../database-error.ts';
import type { StoreLog } from '../log.ts';
import type { EndedExecution, ExecutionEnd, JournalRecord, Ledger, StartedExecution } from '../port.ts';
import { isOfDefaultClass, keptSuffix, slotOf, trees } from '../trees.ts';
import type { BatchAnswer } from './batch-query.ts';
import { CommitConnection } from './commit-connection.ts';
import type { MessageWriter } from './message-writer.ts';
import { Packer } from './packer.ts';
import { CommitQueue, Unit } from './queue.ts';
import { classifyRefusal } from './sqlstate.ts';
import { bindCheckLive, bindEnded, bindFinished, bindJournal, bindStarted, type JournalRow } from './statements.ts';
import { Write, type WriteContent } from './write.ts';

export interface LedgerOptions {
  dsn: Dsn;
  log: StoreLog;
  /** Id of this incarnation. */
  incarnationId: string;
  /** Connections that carry batches of small rows. */
  connections: number;
  /** Ms since the epoch on PostgreSQL's clock. */
  nowMs: () => number;
  /** Called once, when PostgreSQL says that this incarnation is not live. */
  onFenced: () => void;
}

/** Deadlines are looked at this often while anything waits: a rejection may be late by so much. */
const sweepIntervalMs = 50;
const backoffMs = { first: 20, most: 1_000 } as const;
/** Refused for so long, PostgreSQL is in trouble; and for so long after the last refusal, unless it took something meanwhile. */
const troubleAfterMs = 2_000;
const troubleForMs = 5_000;

/** Kill tests listen here; without a listener nothing is published. */
const points = diagnosticsChannel.channel('nflow:point');

export class GroupCommitLedger implements Ledger {
  onCommit: ((rows: number, durationMs: number) => void) | null = null;
  readonly #options: LedgerOptions;
  readonly #queue = new CommitQueue();
  /** Large ones pass through it first. */
  readonly #packer = new Packer((write) => this.#afterPacking(write));
  readonly #connections: CommitConnection[] = [];
  #large: CommitConnection | null = null;
  readonly #underWay = new Set<Unit[]>();
  #scheduled = false;
  #sweeper: NodeJS.Timeout | null = null;
  /** Refusals by the server in a row: the wait before the next try grows with them. */
  #refusals = 0;
  #pausedUntilMs = 0;
  #refusedSinceMs = 0;
  #refusedLastMs = 0;
  #refusal = '';
  #fenced = false;
  #closed = false;
  #whenIdle: (() => void)[] = [];

  constructor(options: LedgerOptions) {
    this.#options = options;
    for (let i = 0; i < options.connections; i++) this.#connections.push(this.#connect(`commit ${i + 1}`));
  }

  end(execution: EndedExecution, deadlineMs: number): Promise<void> {
    return this.#write(execution.id, { kind: 'end', execution }, deadlineMs);
  }

  start(execution: StartedExecution, journal: JournalRecord[], deadlineMs: number): Promise<void> {
    return this.#write(execution.id, { kind: 'start', execution, journal }, deadlineMs);
  }

  append(executionId: string, journal: JournalRecord[], deadlineMs: number): Promise<void> {
    return this.#write(executionId, { kind: 'append', journal }, deadlineMs);
  }

  finish(executionId: string, end: ExecutionEnd, deadlineMs: number): Promise<void> {
    return this.#write(executionId, { kind: 'finish', end, endedAtMs: this.#options.nowMs() }, deadlineMs);
  }

  get pendingRows(): number {
    return this.#queue.rows + this.#packer.rows;
  }

  get pendingBytes(): number {
    return this.#queue.bytes + this.#packer.bytes;
  }

  get connectionCount(): number {
    return this.#connections.length + (this.#large === null ? 0 : 1);
  }

  get busyConnections(): number {
    return this.#connections.filter((connection) => connection.isBusy).length + (this.#large?.isBusy === true ? 1 : 0);
  }

  /**
   * What PostgreSQL has been refusing every batch with, for a while: a full disk, no rights, a standby. Null otherwise; and some seconds
   * after the last try, so that somebody tries again.
   */
  get trouble(): string | null {
    const nowMs = performance.now();
    const isOld = nowMs - this.#refusedLastMs > troubleForMs;
    return this.#refusals === 0 || isOld || nowMs - this.#refusedSinceMs < troubleAfterMs ? null : this.#refusal;
  }

  /** Nothing more is sent; what waits is rejected. Called when the beat finds out before a batch does. */
  fence(): void {
    if (this.#fenced) return;
    this.#fenced = true;
    this.#rejectWaiting(() => fencedError());
    this.#options.onFenced();
  }

  /** Resolves when nothing waits, or after the time. */
  async drain(drainMs: number): Promise<void> {
    if (this.pendingRows === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, drainMs);
      this.#whenIdle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  close(): void {
    this.#closed = true;
    this.#rejectWaiting((write) => this.#unavailable(write, 'the store was closed'));
    for (const connection of this.#connections) connection.close();
    this.#large?.close();
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
  }

  #write(executionId: string, content: WriteContent, deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const write = new Write(executionId, content, deadlineMs, resolve, reject);
      if (this.#fenced) write.reject(fencedError());
      else if (this.#closed) write.reject(this.#unavailable(write, 'the store was closed'));
      else this.#enqueue(write);
    });
  }

  #enqueue(write: Write): void {
    if (!this.#packer.take(write)) this.#queueUp(write);
    this.#sweeper ??= setInterval(() => this.#sweep(), sweepIntervalMs).unref();
  }

  #afterPacking(write: Write): void {
    // What waited in the packer when the ledger was closed or fenced has been rejected.
    if (write.needed && !this.#fenced && !this.#closed) this.#queueUp(write);
    else this.#tellIfIdle();
  }

  #queueUp(write: Write): void {
    if (write.content.kind === 'end') this.#queue.addSingle(write);
    else this.#queue.addToExecution(write);
    this.#schedule();
  }

  /** Once a turn of the event loop, after its I/O: all that arrived in the turn leaves together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    if (this.#fenced || this.#closed) return;
    if (performance.now() < this.#pausedUntilMs) return;
    for (const connection of this.#connections) {
      while (connection.isFree) {
        const batch = this.#queue.takeBatch();
        if (batch === null) break;
        this.#send(connection, batch);
      }
    }
    if (this.#queue.hasLarge) {
      this.#large ??= this.#connect('commit large');
      while (this.#large.isFree) {
        const batch = this.#queue.takeLarge();
        if (batch === null) break;
        this.#send(this.#large, batch);
      }
    }
  }

  #connect(purpose: string): CommitConnection {
    return new CommitConnection(this.#options.dsn, purpose, this.#options.log, () => this.#schedule());
  }

  #send(connection: CommitConnection, batch: Unit[]): void {
    const content = new BatchContent(batch);
    if (content.rows === 0) {
      // Everything in it was given up meanwhile.
      for (const unit of batch) this.#release(unit);
      return;
    }
    try {
      content.encode(connection, this.#options.incarnationId);
    } catch (error) {
      // Not even its form is right (an id that is no UUID): found like a row that PostgreSQL refuses.
      this.#refusedByRow(batch, error as Error);
      this.#schedule();
      return;
    }
    if (points.hasSubscribers && content.durable) points.publish({ name: 'before-commit' });
    const sentMs = performance.now();
    this.#underWay.add(batch);
    connection.send((answer) => {
      this.#underWay.delete(batch);
      this.#settle(batch, content, answer, performance.now() - sentMs);
      this.#schedule();
    });
  }

  #settle(batch: Unit[], content: BatchContent, answer: BatchAnswer, durationMs: number): void {
    switch (answer.kind) {
      case 'committed': {
        if (points.hasSubscribers && content.durable) points.publish({ name: 'after-commit' });
        this.#refusals = 0;
        this.onCommit?.(content.rows, durationMs);
        this.#committed(batch, new Set(answer.rows));
        return;
      }
      case 'lost':
        for (const write of content.writes) {
          write.unknown = true;
          write.failure = answer.error;
        }
        this.#sendAgain(batch);
        return;
      case 'refused':
        this.#refused(batch, content, answer.error);
    }
  }

  #committed(batch: Unit[], unfinished: Set<string>): void {
    for (const unit of batch) {
      for (const write of unit.writes) {
        if (write.content.kind !== 'finish' || !unfinished.has(write.executionId)) write.resolve();
        else if (write.kept) write.reject(notOursError(write));
        else this.#lookAmongKept(write);
      }
      this.#release(unit);
    }
  }

  /** Its row is not where its id says: the partition may have been dropped, and the row kept. */
  #lookAmongKept(write: Write): void {
    write.kept = true;
    this.#queueUp(write);
  }

  #refused(batch: Unit[], content: BatchContent, error: DatabaseError): void {
    for (const write of content.writes) write.failure = error;
    switch (classifyRefusal(error.code)) {
      case 'fenced':
        this.#queue.putBack(batch);
        this.fence();
        return;
      case 'row':
        this.#refusedByRow(batch, error);
        return;
      case 'server': {
        this.#sendAgain(batch);
        this.#refusedLastMs = performance.now();
        if (this.#refusals === 0) this.#refusedSinceMs = this.#refusedLastMs;
        this.#refusal = `${error.code}: ${error.message}`;
        const waitMs = Math.min(backoffMs.first * 2 ** this.#refusals, backoffMs.most);
        this.#refusals++;
        this.#pausedUntilMs = performance.now() + waitMs;
        setTimeout(() => this.#dispatch(), waitMs + 1).unref();
        this.#options.log.warn(
          { sqlState: error.code, reason: error.message, waitMs },
          'a commit batch was refused, it is sent again',
        );
      }
    }
  }

  /** Halves the batch; of a unit that is alone, the first write goes alone; a write that is alone is the culprit. */
  #refusedByRow(batch: Unit[], error: Error): void {
    if (batch.length > 1) {
      const middle = batch.length >> 1;
      this.#queue.putBack(batch.slice(0, middle));
      this.#queue.putBack(batch.slice(middle));
      return;
    }
    const unit = batch[0] as Unit;
    const [first, ...others] = unit.writes as [Write, ...Write[]];
    if (others.length > 0) {
      const rest = new Unit(others, unit.executionId, unit.rest);
      this.#queue.putBack([new Unit([first], unit.executionId, rest)]);
      return;
    }
    first.reject(refusedError(first, error));
    if (first.content.kind === 'start') {
      // Without its row the rest has nothing to belong to.
      for (const write of this.#queue.following(unit)) write.void(refusedError(first, error));
    }
    this.#release(unit);
  }

  #sendAgain(batch: Unit[]): void {
    this.#queue.putBack(batch);
    for (const unit of this.#queue.removeUnneeded()) this.#release(unit);
  }

  #release(unit: Unit): void {
    this.#queue.release(unit);
    this.#tellIfIdle();
  }

  #tellIfIdle(): void {
    if (this.#whenIdle.length === 0 || this.pendingRows > 0) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** Tells the callers whose time is over. */
  #sweep(): void {
    if (this.pendingRows === 0 && this.#underWay.size === 0) {
      if (this.#sweeper !== null) clearInterval(this.#sweeper);
      this.#sweeper = null;
      return;
    }
    const nowMs = performance.now();
    const expired: Write[] = [];
    for (const write of this.#waiting()) {
      if (write.deadlineMs < nowMs && !write.settled) expired.push(write);
    }
    for (const batch of this.#underWay) {
      for (const unit of batch) {
        for (const write of unit.writes) {
          if (write.deadlineMs >= nowMs || write.settled) continue;
          write.unknown = true;
          expired.push(write);
        }
      }
    }
    for (const write of expired) this.#expire(write);
    if (expired.length > 0) for (const unit of this.#queue.removeUnneeded()) this.#release(unit);
    // Connections that came back while a pause was on.
    this.#dispatch();
  }

  *#waiting(): Generator<Write> {
    yield* this.#packer.writes();
    yield* this.#queue.waiting();
  }

  #expire(write: Write): void {
    write.reject(this.#unavailable(write, 'PostgreSQL did not answer in time'));
    if (write.content.kind !== 'start' || !write.unknown) return;
    // Its row may be there, owned by us who are alive: nobody would ever end it. So it is ended once PostgreSQL is back.
    const abandoned = new Write(
      write.executionId,
      { kind: 'finish', end: abandonedEnd(), endedAtMs: this.#options.nowMs() },
      Number.POSITIVE_INFINITY,
      () => {},
      () => {},
    );
    this.#enqueue(abandoned);
  }

  #rejectWaiting(errorOf: (write: Write) => Error): void {
    for (const write of this.#waiting()) write.reject(errorOf(write));
    for (const batch of this.#underWay) {
      for (const unit of batch) {
        for (const write of unit.writes) {
          write.unknown = true;
          write.reject(errorOf(write));
        }
      }
    }
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  #unavailable(write: Write, reason: string): NflowError {
    return new NflowError('store_unavailable', `Execution ${write.executionId} could not be recorded: ${reason}`, {
      got: write.unknown ? 'outcome unknown' : undefined,
      remedy: write.unknown ? 'look the execution up before repeating the request' : 'repeat the request',
      cause: write.failure ?? undefined,
    });
  }
}

/** The writes of a batch that go to one pair of tables, sorted by id. */
class TableContent {
  readonly suffix: string;
  readonly ended: Write[] = [];
  readonly started: Write[] = [];
  readonly journaled: Write[] = [];
  readonly finished: Write[] = [];

  constructor(suffix: string) {
    this.suffix = suffix;
  }

  sort(): void {
    for (const writes of [this.ended, this.started, this.journaled, this.finished]) sortById(writes);
  }
}

/** The rows of a batch by table. */
class BatchContent {
  readonly writes: Write[] = [];
  /** Whether a started or durable execution is in it. */
  durable = false;
  rows = 0;
  #started = false;
  readonly #default = new TableContent('');
  /** Of other classes, and kept ones: mostly there is none. */
  #others: Map<string, TableContent> | null = null;

  constructor(batch: Unit[]) {
    for (const unit of batch) for (const write of unit.writes) if (write.needed) this.#add(write);
    for (const content of this.#contents()) content.sort();
  }

  #add(write: Write): void {
    this.writes.push(write);
    this.rows += write.rows;
    const content = isOfDefaultClass(write.executionId) && !write.kept ? this.#default : this.#contentOf(write);
    switch (write.content.kind) {
      case 'end':
        content.ended.push(write);
        this.durable ||= write.content.execution.durability === 'durable';
        return;
      case 'start':
        content.started.push(write);
        if (write.content.journal.length > 0) content.journaled.push(write);
        break;
      case 'append':
        if (write.content.journal.length > 0) content.journaled.push(write);
        break;
      case 'finish':
        content.finished.push(write);
    }
    this.#started = true;
    this.durable = true;
  }

  #contentOf(write: Write): TableContent {
    const suffix = write.kept ? keptSuffix : (trees[slotOf(write.executionId)]?.suffix ?? '');
    if (suffix === '') return this.#default;
    this.#others ??= new Map();
    let content = this.#others.get(suffix);
    if (content === undefined) {
      content = new TableContent(suffix);
      this.#others.set(suffix, content);
    }
    return content;
  }

  /** In one order for all batches: two that lock rows of two tables must not do it in opposite ones. */
  #contents(): TableContent[] {
    if (this.#others === null) return [this.#default];
    return [this.#default, ...this.#others.values()].sort((a, b) => (a.suffix < b.suffix ? -1 : 1));
  }

  encode({ writer }: CommitConnection, incarnationId: string): void {
    writer.reset();
    if (this.#started) bindCheckLive(writer, incarnationId);
    const nowMs = performance.now();
    for (const content of this.#contents()) encodeTables(writer, content, incarnationId, nowMs);
    writer.sync();
  }
}

function encodeTables(
  writer: MessageWriter,
  { suffix, ended, started, journaled, finished }: TableContent,
  incarnationId: string,
  nowMs: number,
): void {
  const batchWaitUs = (write: Write) => (nowMs - write.queuedMs) * 1000;
  if (started.length > 0) {
    bindStarted(
      writer,
      suffix,
      started.flatMap(({ content }) => (content.kind === 'start' ? [content.execution] : [])),
      incarnationId,
    );
  }
  if (journaled.length > 0) {
    bindJournal(
      writer,
      suffix,
      lastOfEachKey(
        journaled.flatMap(({ executionId, content }) =>
          content.kind === 'start' || content.kind === 'append'
            ? content.journal.map((record) => ({ executionId, record }))
            : [],
        ),
      ),
    );
  }
  if (ended.length > 0) {
    bindEnded(
      writer,
      suffix,
      ended.flatMap((write) =>
        write.content.kind === 'end' ? [{ execution: write.content.execution, batchWaitUs: batchWaitUs(write) }] : [],
      ),
    );
  }
  if (finished.length > 0) {
    bindFinished(
      writer,
      suffix,
      finished.flatMap((write) =>
        write.content.kind === 'finish'
          ? [
              {
                executionId: write.executionId,
                end: write.content.end,
                endedAtMs: write.content.endedAtMs,
                batchWaitUs: batchWaitUs(write),
              },
            ]
          : [],
      ),
      incarnationId,
    );
  }
}

/** One statement cannot touch a row twice. Only a result that was not consumed when it was first written comes a second time. */
function lastOfEachKey(rows: JournalRow[]): JournalRow[] {
  if (rows.every(({ record }) => record.segment >= 0)) return rows;
  const last = new Map<string, JournalRow>();
  for (const row of rows) {
    const { stepPath, attempt, seq } = row.record;
    last.set(`${row.executionId} ${stepPath} ${attempt} ${seq}`, row);
  }
  return [...last.values()];
}

/** Stable, so that two writes of one execution keep their order. Mostly they are in order already. */
function sortById(writes: Write[]): void {
  for (let i = 1; i < writes.length; i++) {
    if ((writes[i - 1] as Write).executionId > (writes[i] as Write).executionId) {
      writes.sort((a, b) => (a.executionId < b.executionId ? -1 : a.executionId > b.executionId ? 1 : 0));
      return;
    }
  }
}

function abandonedEnd(): ExecutionEnd {
  return {
    status: 'failed',
    httpStatus: 503,
    output: null,
    error: JSON.stringify({
      code: 'store_unavailable',
      message:
        'PostgreSQL did not confirm the start of this execution in time. None of its unsafe effects was performed.',
    }),
    trace: null,
    effects: null,
    logs: null,
    timing: { queueUs: 0, acquireUs: 0, runUs: 0, effectsUs: 0, totalUs: 0 },
  };
}

function fencedError(): NflowError {
  return new NflowError('store_unavailable', 'Another server has taken over the executions of this one', {
    got: 'an incarnation that is not live',
    remedy: 'this server stops; repeat the request at another',
  });
}

function refusedError(write: Write, cause: Error): NflowError {
  return new NflowError('internal_error', `PostgreSQL refused the row of execution ${write.executionId}`, {
    got: isDatabaseError(cause) ? `${cause.code}: ${cause.message}` : cause.message,
    cause,
  });
}

function notOursError(write: Write): NflowError {
  return new NflowError('internal_error', `Execution ${write.executionId} could not be ended`, {
    got: 'no running execution of this id that this incarnation owns',
    expected: 'one that was started, or taken over, by this incarnation',
  });
}
