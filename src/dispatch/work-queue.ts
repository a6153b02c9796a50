import type { DispatchedRun } from './dispatched-run.ts';
import type { WorkflowProfile } from './workflow-profile.ts';

/** A result on its way to a run. */
export interface Delivery {
  stepPath: string;
  seq: number;
  ok: boolean;
  json: string;
  timeMs: number;
  isReplay: boolean;
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

/** What one workflow has in the queue, first in, first out. */
class Flow {
  readonly profile: WorkflowProfile;
  readonly items: QueuedWork[] = [];
  /** Index of the first one that has not left. */
  head = 0;
  waitingMs = 0;
  /** CPU that it may still use before its turn comes again. */
  creditMs: number;
  /** In the list of those that are served first. */
  isUrgent = false;
  /** In the ring. */
  next: Flow = this;

  constructor(profile: WorkflowProfile, creditMs: number) {
    this.profile = profile;
    this.creditMs = creditMs;
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
    this.waitingMs = this.first === undefined ? 0 : this.waitingMs - work.costMs;
    return work;
  }
}

/**
 * Waiting segments, in the order of a deficit round robin over their workflows (Shreedhar and Varghese, 1995): each round a workflow
 * may use `quantumMs` of CPU, and what its next segment needs beyond that is saved up over rounds. So each gets the same share of CPU,
 * whatever it queues and however long its segments are.
 *
 * Within a round, whoever can pay for its next segment is served before the rounds go on, in the order of arrival. So a workflow that
 * asks for little does not wait for a round of a hundred others that ask for much, and gets no more than its share all the same.
 *
 *   urgent   A, B             can pay: served first
 *   ring     last ► C ► … ► A ► last      all that have had something since their last turn; at its turn an empty one leaves
 */
export class WorkQueue {
  readonly #quantumMs: number;
  readonly #flows = new Map<WorkflowProfile, Flow>();
  #urgent: Flow[] = [];
  /** The flow whose turn was last; null when the ring is empty. */
  #last: Flow | null = null;
  size = 0;
  /** Estimated CPU of all that waits, and of what is served first. */
  totalMs = 0;
  #urgentMs = 0;

  constructor(quantumMs: number) {
    this.#quantumMs = quantumMs;
  }

  push(work: QueuedWork): void {
    const { profile } = work.run;
    let flow = this.#flows.get(profile);
    if (flow === undefined) {
      flow = new Flow(profile, this.#quantumMs);
      this.#flows.set(profile, flow);
      this.#append(flow);
    }
    flow.items.push(work);
    flow.waitingMs += work.costMs;
    this.size++;
    this.totalMs += work.costMs;
    this.#hasten(flow);
  }

  /** What is to be sent next, or null. Work whose run is gone meanwhile comes out as well. */
  take(): QueuedWork | null {
    if (this.size === 0) {
      this.#forgetAll();
      return null;
    }
    let turns = 0;
    while (this.#urgent.length === 0) {
      this.#nextTurn();
      // A whole round in which nobody could pay: all at once get the rounds that the first of them still needs.
      if (++turns > this.#flows.size) {
        this.#skipRounds();
        turns = 0;
      }
    }
    const flow = this.#urgent.shift() as Flow;
    const first = flow.first as QueuedWork;
    this.#urgentMs -= first.costMs;
    flow.isUrgent = false;
    flow.creditMs -= first.costMs;
    const work = this.#takeFrom(flow);
    this.#hasten(flow);
    return work;
  }

  /** Milliseconds of CPU before a new segment of the workflow, which takes `costMs`, if it were queued now. */
  aheadOf(profile: WorkflowProfile, costMs: number): number {
    if (this.size === 0) return 0;
    const flow = this.#flows.get(profile);
    const ownMs = flow?.waitingMs ?? 0;
    const creditMs = flow?.creditMs ?? this.#quantumMs;
    if (ownMs + costMs <= creditMs) return Math.min(this.totalMs, this.#urgentMs + ownMs);
    return Math.min(this.totalMs, (ownMs + this.#quantumMs) * this.#flows.size);
  }

  /** Takes out the first segments of each workflow while `isOver` says so. */
  takeWhile(isOver: (work: QueuedWork) => boolean, onTaken: (work: QueuedWork) => void): void {
    const taken: QueuedWork[] = [];
    for (const flow of this.#flows.values()) {
      while (flow.first !== undefined && isOver(flow.first)) taken.push(this.#takeFrom(flow));
    }
    if (taken.length === 0) return;
    // Whose first segment is another one now may not be able to pay for it.
    const urgent = this.#urgent;
    this.#urgent = [];
    this.#urgentMs = 0;
    for (const flow of urgent) {
      flow.isUrgent = false;
      this.#hasten(flow);
    }
    for (const work of taken) onTaken(work);
  }

  #takeFrom(flow: Flow): QueuedWork {
    const work = flow.take();
    this.size--;
    this.totalMs = this.size === 0 ? 0 : this.totalMs - work.costMs;
    return work;
  }

  /** A flow that can pay for its first segment is served before the next turn. */
  #hasten(flow: Flow): void {
    const { first } = flow;
    if (flow.isUrgent || first === undefined || first.costMs > flow.creditMs) return;
    flow.isUrgent = true;
    this.#urgent.push(flow);
    this.#urgentMs += first.costMs;
  }

  /** The flow whose turn it is gets its quantum, or leaves when it has nothing waiting. */
  #nextTurn(): void {
    const last = this.#last as Flow;
    const flow = last.next;
    if (flow.first === undefined) {
      this.#flows.delete(flow.profile);
      if (last === flow) this.#last = null;
      else last.next = flow.next;
      return;
    }
    flow.creditMs += this.#quantumMs;
    this.#last = flow;
    this.#hasten(flow);
  }

  /** It joins at the end: its turn comes after everybody else's. */
  #append(flow: Flow): void {
    const last = this.#last;
    if (last === null) {
      flow.next = flow;
    } else {
      flow.next = last.next;
      last.next = flow;
    }
    this.#last = flow;
  }

  /** Nothing waits: nobody owes or saves anything. */
  #forgetAll(): void {
    if (this.#last === null) return;
    this.#flows.clear();
    this.#last = null;
    this.#urgent = [];
    this.#urgentMs = 0;
  }

  #skipRounds(): void {
    let rounds = Number.POSITIVE_INFINITY;
    for (const { first, creditMs } of this.#flows.values()) {
      if (first !== undefined) rounds = Math.min(rounds, (first.costMs - creditMs) / this.#quantumMs);
    }
    // The last of these rounds is the one that comes next.
    const skippedMs = Math.max(0, Math.ceil(rounds) - 1) * this.#quantumMs;
    for (const flow of this.#flows.values()) if (flow.first !== undefined) flow.creditMs += skippedMs;
  }
}
