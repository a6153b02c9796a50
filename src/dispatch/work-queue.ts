import type { DispatchedRun } from './dispatched-run.ts';
import type { WorkflowProfile } from './workflow-profile.ts';

/** A result on its way to a run. */
export interface Delivery {
  stepPath: string;
  seq: number;
  ok: boolean;
  json: string;
  timeMs: number;
}

/** A segment that has not been sent to a runner yet. */
export interface QueuedWork {
  run: DispatchedRun;
  /** Null: the run's first segment. */
  delivery: Delivery | null;
  /** Estimated CPU. */
  costMs: number;
  queuedMs: number;
  /** How long it was expected to wait. */
  predictedMs: number;
}

/** The waiting segments of one workflow, first in, first out. */
class Flow {
  readonly profile: WorkflowProfile;
  readonly items: QueuedWork[] = [];
  /** Index of the first one that has not left. */
  head = 0;
  waitingMs = 0;
  /** CPU that it may use in this turn. */
  deficitMs = 0;
  /** In the ring. */
  next: Flow = this;

  constructor(profile: WorkflowProfile) {
    this.profile = profile;
  }

  get first(): QueuedWork | undefined {
    return this.items[this.head];
  }

  take(): QueuedWork {
    const work = this.items[this.head] as QueuedWork;
    this.head++;
    // Cut off what has left once it is the larger part: amortised, each segment is moved once.
    if (this.head === this.items.length || (this.head >= 32 && 2 * this.head > this.items.length)) {
      this.items.splice(0, this.head);
      this.head = 0;
    }
    this.waitingMs -= work.costMs;
    return work;
  }
}

/**
 * Waiting segments, in the order of a deficit round robin over their workflows (Shreedhar and Varghese, 1995): each turn a workflow
 * may use `quantumMs` of CPU, and what it does not use it keeps for its next turn while it has something waiting. So each gets the same share of CPU, whatever
 * it queues and however long its segments are.
 *
 *   last ──► current ──► next ──► … ──► last       a ring of the flows that have something waiting
 */
export class WorkQueue {
  readonly #quantumMs: number;
  readonly #flows = new Map<WorkflowProfile, Flow>();
  /** The flow whose turn was last, before the current one; null when nothing waits. */
  #last: Flow | null = null;
  /** Whether the current flow has had its quantum. */
  #isServed = false;
  size = 0;
  /** Estimated CPU of all that waits. */
  totalMs = 0;

  constructor(quantumMs: number) {
    this.#quantumMs = quantumMs;
  }

  push(work: QueuedWork): void {
    const { profile } = work.run;
    let flow = this.#flows.get(profile);
    if (flow === undefined) {
      flow = new Flow(profile);
      this.#flows.set(profile, flow);
      this.#append(flow);
    }
    flow.items.push(work);
    flow.waitingMs += work.costMs;
    this.size++;
    this.totalMs += work.costMs;
  }

  /** What is to be sent next, or null. Work whose run is gone meanwhile comes out as well. */
  take(): QueuedWork | null {
    let unserved = 0;
    while (this.#last !== null) {
      const flow = this.#last.next;
      if (!this.#isServed) {
        this.#isServed = true;
        flow.deficitMs += this.#quantumMs;
      }
      const first = flow.first as QueuedWork;
      if (first.costMs <= flow.deficitMs) {
        flow.deficitMs -= first.costMs;
        return this.#takeFrom(flow);
      }
      this.#last = flow;
      this.#isServed = false;
      // A whole round in which nobody could afford its first segment: all at once get the rounds that the first of them still needs.
      if (++unserved === this.#flows.size) {
        this.#skipRounds();
        unserved = 0;
      }
    }
    return null;
  }

  /** Milliseconds of CPU before a new segment of the workflow, if it were queued now. */
  aheadOf(profile: WorkflowProfile): number {
    if (this.size === 0) return 0;
    const own = this.#flows.get(profile)?.waitingMs ?? 0;
    return Math.min(this.totalMs, (own + this.#quantumMs) * this.#flows.size);
  }

  /** Takes out the first segments of each workflow while `isOver` says so. */
  takeWhile(isOver: (work: QueuedWork) => boolean, onTaken: (work: QueuedWork) => void): void {
    for (const flow of this.#flows.values()) {
      while (flow.first !== undefined && isOver(flow.first)) onTaken(this.#takeOut(flow));
    }
    this.#dropEmpty();
  }

  #takeFrom(flow: Flow): QueuedWork {
    const work = this.#takeOut(flow);
    if (flow.first === undefined) this.#removeCurrent(flow);
    return work;
  }

  #takeOut(flow: Flow): QueuedWork {
    const work = flow.take();
    this.size--;
    this.totalMs = this.size === 0 ? 0 : this.totalMs - work.costMs;
    return work;
  }

  #append(flow: Flow): void {
    const last = this.#last;
    if (last === null) {
      flow.next = flow;
    } else {
      flow.next = last.next;
      last.next = flow;
    }
    // It joins at the end: the one whose turn it is stays the current one.
    if (last === null) this.#isServed = false;
    this.#last = flow;
  }

  /** Takes the current flow, which has nothing waiting any more, out of the ring. */
  #removeCurrent(flow: Flow): void {
    const last = this.#last as Flow;
    this.#flows.delete(flow.profile);
    this.#isServed = false;
    if (last === flow) this.#last = null;
    else last.next = flow.next;
  }

  #dropEmpty(): void {
    for (let left = this.#flows.size; left > 0 && this.#last !== null; left--) {
      const flow = this.#last.next;
      if (flow.first === undefined) {
        this.#removeCurrent(flow);
      } else {
        this.#last = flow;
        this.#isServed = false;
      }
    }
  }

  #skipRounds(): void {
    const end = this.#last as Flow;
    let rounds = Number.POSITIVE_INFINITY;
    let flow = end;
    do {
      flow = flow.next;
      rounds = Math.min(rounds, ((flow.first as QueuedWork).costMs - flow.deficitMs) / this.#quantumMs);
    } while (flow !== end);
    // The last of these rounds is the one that `take` is about to begin.
    const skippedMs = Math.max(0, Math.ceil(rounds) - 1) * this.#quantumMs;
    if (skippedMs === 0) return;
    do {
      flow = flow.next;
      flow.deficitMs += skippedMs;
    } while (flow !== end);
  }
}
