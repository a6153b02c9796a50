/**
 * What waits to be committed, in the order in which it may leave.
 *
 * A *unit* is all that waits for one execution: it goes into one batch as a whole, in the order of the calls. While a unit of an
 * execution is under way, later writes of that execution gather in a unit that is queued when it has been answered.
 * Executions that are written once, at their end, are units of their own that need no such care.
 */
import type { Write } from './write.ts';

export const batchRowsMax = 500;
export const batchBytesMax = 8 * 1024 * 1024;
/** A unit over this goes alone, on a connection of its own: it must not hold up the small ones. */
export const aloneBytes = 256 * 1024;

export class Unit {
  readonly writes: Write[];
  /** Null for an execution that is written once. */
  readonly executionId: string | null;
  /** What follows it for the same execution when it had to be taken apart. */
  readonly rest: Unit | null;
  rows: number;
  bytes: number;

  constructor(writes: Write[], executionId: string | null, rest: Unit | null) {
    this.writes = writes;
    this.executionId = executionId;
    this.rest = rest;
    this.rows = 0;
    this.bytes = 0;
    for (const write of writes) {
      this.rows += write.rows;
      this.bytes += write.bytes;
    }
  }

  add(write: Write): void {
    this.writes.push(write);
    this.rows += write.rows;
    this.bytes += write.bytes;
  }
}

/** The units of one execution that has several writes. */
interface Chain {
  /** Queued and not yet taken: it may still grow. */
  queued: Unit | null;
  underWay: boolean;
  /** Waits for the answer to the one under way. */
  next: Unit | null;
}

export class CommitQueue {
  /** Batches that were refused or lost and go again as they are (or as halves), before everything else. */
  readonly #again: Unit[][] = [];
  #small: Unit[] = [];
  #smallAt = 0;
  readonly #large: Unit[] = [];
  readonly #chains = new Map<string, Chain>();
  #rows = 0;
  #bytes = 0;

  get rows(): number {
    return this.#rows;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A write that is the only one of its execution. */
  addSingle(write: Write): void {
    this.#count(write, 1);
    this.#enqueue(new Unit([write], null, null));
  }

  /** A write of an execution that has others. */
  addToExecution(write: Write): void {
    this.#count(write, 1);
    const chain = this.#chains.get(write.executionId);
    if (chain === undefined) {
      const unit = new Unit([write], write.executionId, null);
      this.#chains.set(write.executionId, { queued: unit, underWay: false, next: null });
      this.#enqueue(unit);
    } else if (chain.queued !== null) {
      chain.queued.add(write);
    } else if (chain.next !== null) {
      chain.next.add(write);
    } else {
      chain.next = new Unit([write], write.executionId, null);
    }
  }

  /** The next batch of small units, or null. */
  takeBatch(): Unit[] | null {
    for (let i = 0; i < this.#again.length; i++) {
      const batch = this.#again[i] as Unit[];
      if (batch.length === 1 && (batch[0] as Unit).bytes > aloneBytes) continue;
      this.#again.splice(i, 1);
      return this.#take(batch);
    }
    const batch: Unit[] = [];
    let rows = 0;
    let bytes = 0;
    while (this.#smallAt < this.#small.length) {
      const unit = this.#small[this.#smallAt] as Unit;
      if (unit.bytes > aloneBytes) {
        // It grew while it waited.
        this.#smallAt++;
        this.#large.push(unit);
        continue;
      }
      if (batch.length > 0 && (rows + unit.rows > batchRowsMax || bytes + unit.bytes > batchBytesMax)) break;
      this.#smallAt++;
      batch.push(unit);
      rows += unit.rows;
      bytes += unit.bytes;
    }
    this.#compact();
    return batch.length === 0 ? null : this.#take(batch);
  }

  /** One large unit, or null. */
  takeLarge(): Unit[] | null {
    const index = this.#again.findIndex((batch) => batch.length === 1 && (batch[0] as Unit).bytes > aloneBytes);
    if (index !== -1) return this.#take(this.#again.splice(index, 1)[0] as Unit[]);
    const unit = this.#large.shift();
    return unit === undefined ? null : this.#take([unit]);
  }

  get hasLarge(): boolean {
    return (
      this.#large.length > 0 || this.#again.some((batch) => batch.length === 1 && (batch[0] as Unit).bytes > aloneBytes)
    );
  }

  /** A unit that was taken goes again: its execution stays under way. */
  putBack(batch: Unit[]): void {
    this.#again.push(batch);
  }

  /** A unit that was taken has been answered, for better or worse. */
  release(unit: Unit): void {
    for (const write of unit.writes) this.#count(write, -1);
    if (unit.rest !== null) {
      this.#again.push([unit.rest]);
      return;
    }
    if (unit.executionId === null) return;
    const chain = this.#chains.get(unit.executionId);
    if (chain === undefined) return;
    chain.underWay = false;
    if (chain.next === null) {
      this.#chains.delete(unit.executionId);
    } else {
      chain.queued = chain.next;
      chain.next = null;
      this.#enqueue(chain.queued);
    }
  }

  /** The later writes of the execution of a unit that is under way. */
  *following(unit: Unit): Generator<Write> {
    if (unit.rest !== null) yield* allOf(unit.rest);
    const next = unit.executionId === null ? null : (this.#chains.get(unit.executionId)?.next ?? null);
    if (next !== null) yield* next.writes;
  }

  /** Removes units of which nothing is needed any more and returns them: they are to be released. */
  removeUnneeded(): Unit[] {
    const removed: Unit[] = [];
    const isNeeded = (unit: Unit): boolean => {
      if (unit.rest !== null || unit.writes.some((write) => write.needed)) return true;
      removed.push(unit);
      return false;
    };
    this.#small = this.#small.slice(this.#smallAt).filter(isNeeded);
    this.#smallAt = 0;
    retain(this.#large, isNeeded);
    for (const batch of this.#again) retain(batch, isNeeded);
    retain(this.#again, (batch) => batch.length > 0);
    return removed;
  }

  /** Every write that waits, in no particular order. */
  *waiting(): Generator<Write> {
    for (const batch of this.#again) for (const unit of batch) yield* allOf(unit);
    for (let i = this.#smallAt; i < this.#small.length; i++) yield* (this.#small[i] as Unit).writes;
    for (const unit of this.#large) yield* unit.writes;
    for (const chain of this.#chains.values()) if (chain.next !== null) yield* chain.next.writes;
  }

  #enqueue(unit: Unit): void {
    if (unit.bytes > aloneBytes) this.#large.push(unit);
    else this.#small.push(unit);
  }

  #take(batch: Unit[]): Unit[] {
    for (const unit of batch) {
      if (unit.executionId === null) continue;
      const chain = this.#chains.get(unit.executionId);
      if (chain === undefined) continue;
      chain.queued = null;
      chain.underWay = true;
    }
    return batch;
  }

  #count(write: Write, sign: 1 | -1): void {
    this.#rows += sign * write.rows;
    this.#bytes += sign * write.bytes;
  }

  #compact(): void {
    if (this.#smallAt === this.#small.length) {
      this.#small = [];
      this.#smallAt = 0;
    } else if (this.#smallAt > 1024) {
      this.#small = this.#small.slice(this.#smallAt);
      this.#smallAt = 0;
    }
  }
}

function retain<Item>(items: Item[], isKept: (item: Item) => boolean): void {
  let kept = 0;
  for (const item of items) if (isKept(item)) items[kept++] = item;
  items.length = kept;
}

function* allOf(unit: Unit): Generator<Write> {
  for (let part: Unit | null = unit; part !== null; part = part.rest) yield* part.writes;
}
