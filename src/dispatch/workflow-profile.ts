import type { RunnerGroup } from './runner-group.ts';

/** CPU of one segment up to which it is light: lighter ones never wait for longer than this for another one. */
export const fastBudgetMs = 5;
/** A workflow that was heavy is light again below this: the gap keeps it from changing lanes with every run. */
const lightAgainMs = fastBudgetMs / 2;
/** Weight of a new observation in a learned time. */
const learningRate = 0.1;
/** Segments after which a workflow's times are believed. */
const knownAfter = 3;
/** What a segment of a workflow that never ran is expected to take at least: as much as a runner is given at a time. */
const unknownMs = 2;
/** Weight of a new observation of the time until a run has its VM: it is next to nothing, or that of making one. */
const acquireRate = 0.5;
/** What a segment costs its runner beside its own time: frames, the crossing. */
const overheadMs = 0.01;
/** Parsing and writing JSON: 250 KB in and out is about 7 ms. */
const perByteMs = 7 / 250_000;
/** Payloads from this size on are treated by their size, whatever their workflow is known for. */
export const largePayloadSize = 64 * 1024;

/** What was learned of a workflow, in the form in which it is kept over restarts. */
export interface LearnedTimes {
  startMs: number;
  deliverMs: number;
  samples: number;
}

/**
 * What the dispatcher knows of a workflow: the CPU time of its segments, first ones (a run begins) apart from later ones (a result
 * arrives), since a program may do its heavy work before or after a call.
 *
 *   unknown ──(3 segments)──► light ◄──(both below half the fast budget)── heavy
 *                               └────────(either above the fast budget)──────►
 */
export class WorkflowProfile {
  readonly workflow: string;
  readonly group: RunnerGroup;
  /** Means, smoothed. */
  startMs: number;
  deliverMs: number;
  samples: number;
  /** Time of a runner until a run has its VM, smoothed. It counts as work, and makes nobody heavy. */
  acquireMs = 0;
  #lastAcquireMs = 0;
  isHeavy: boolean;
  /** Segments of it, waiting or sent. */
  open = 0;
  /** Those in the fast lane: what others wait for, and what does not count as others for itself. */
  openInFast = 0;

  constructor(workflow: string, group: RunnerGroup, learned: LearnedTimes | undefined) {
    this.workflow = workflow;
    this.group = group;
    this.startMs = learned?.startMs ?? 0;
    this.deliverMs = learned?.deliverMs ?? 0;
    this.samples = learned?.samples ?? 0;
    this.isHeavy = Math.max(this.startMs, this.deliverMs) > fastBudgetMs;
  }

  get isKnown(): boolean {
    return this.samples >= knownAfter;
  }

  startCostMs(size: number): number {
    return this.#costMs(this.startMs, size) + this.acquireMs;
  }

  deliveryCostMs(size: number): number {
    return this.#costMs(this.deliverMs, size);
  }

  learnStart(ms: number): void {
    this.startMs = this.#learn(this.startMs, ms);
  }

  /** One VM that had to be made tells nothing of the next run, which will find it: two in a row do. */
  learnAcquire(ms: number): void {
    this.acquireMs += (Math.min(ms, this.#lastAcquireMs) - this.acquireMs) * acquireRate;
    this.#lastAcquireMs = ms;
  }

  learnDelivery(ms: number): void {
    this.deliverMs = this.#learn(this.deliverMs, ms);
  }

  /** A segment of it is over the fast budget and still going on: what comes next must not meet the same in the fast lane. */
  markHeavy(isDelivery: boolean, ms: number): void {
    if (isDelivery) this.deliverMs = Math.max(this.deliverMs, ms);
    else this.startMs = Math.max(this.startMs, ms);
    this.isHeavy = true;
  }

  #learn(meanMs: number, ms: number): number {
    const isFirst = this.samples++ === 0 || meanMs === 0;
    const learnedMs = isFirst ? ms : meanMs + (ms - meanMs) * learningRate;
    if (learnedMs > fastBudgetMs) this.isHeavy = true;
    else if (this.isHeavy) this.isHeavy = Math.max(this.startMs, this.deliverMs) > lightAgainMs;
    return learnedMs;
  }

  #costMs(meanMs: number, size: number): number {
    const costMs = (this.samples === 0 ? this.#unknownMs() : meanMs) + overheadMs;
    return size < largePayloadSize ? costMs : Math.max(costMs, size * perByteMs);
  }

  /** The first one has its VM made, and those behind it find it there. */
  #unknownMs(): number {
    return this.open === 0 ? Math.max(unknownMs, this.group.bindingMs) : unknownMs;
  }
}
