import type { DispatchedRun } from './dispatched-run.ts';
import type { RunnerProcess } from './runner-process.ts';
import { type Delivery, type QueuedWork, WorkQueue } from './work-queue.ts';
import type { WorkflowProfile } from './workflow-profile.ts';

export type LaneName = 'fast' | 'slow' | 'quarantine';

/**
 * Estimated work in a runner's socket and in its hands. What it has cannot be taken back: the rest waits here, where it can. When this
 * process takes longer than that to come back to it, the runner would stand idle while work waits: then it gets as much as that took.
 */
const workInRunnerMs = 2;
const workInRunnerMaxMs = 50;
/** The way back, a tick. */
const lessRate = 0.1;
/** What binding a workflow to a VM of another runner costs, when runners are compared. */
const bindingMs = 3;
/** CPU that a workflow may use in its turn. */
const quantaMs = { fast: 1, slow: 20, quarantine: 20 } as const;
/** Weight of one observation of the pace, its bounds, and the least wait that teaches something. */
const paceRate = 0.2;
const paceMax = 5;
const paceMinMs = 20;

/**
 * Runners that do the same kind of work, and what waits for them: first segments in one queue of the lane, results each in the queue
 * of the runner that has their run. A runner that has room takes from both in turn.
 */
export class Lane {
  readonly name: LaneName;
  readonly isFast: boolean;
  /** Those that are up and take work. */
  readonly runners: RunnerProcess[] = [];
  readonly starts: WorkQueue;
  /** Segments in its hands: waiting, or sent and not answered. */
  open = 0;
  /**
   * How much longer things take here than their CPU: other processes use the cores too. Seen at segments, whose time and CPU are
   * measured, and at waits, which also tell of everything between two segments.
   */
  #segmentPace = 1;
  #waitPace = 1;

  constructor(name: LaneName) {
    this.name = name;
    this.isFast = name === 'fast';
    this.starts = new WorkQueue(quantaMs[name]);
  }

  get isUp(): boolean {
    return this.runners.length > 0;
  }

  /** Milliseconds that a new run of the workflow, of so much CPU, would wait. */
  predictedWaitMs(profile: WorkflowProfile, costMs: number): number {
    const { runners, starts } = this;
    const aheadMs = starts.aheadOf(profile, costMs);
    if (runners.length === 0) return aheadMs;
    let leastMs = Number.POSITIVE_INFINITY;
    for (const runner of runners) leastMs = Math.min(leastMs, runner.openMs + runner.deliveries.totalMs);
    return Math.max(this.#segmentPace, this.#waitPace) * (leastMs + aheadMs / runners.length);
  }

  /** Sends the run's first segment to the runner that has room and least to do, or lets it wait. */
  place(run: DispatchedRun, nowMs: number): void {
    const costMs = run.profile.startCostMs(run.size);
    this.#count(run);
    const runner = this.starts.size === 0 ? this.#leastBusy(run.start.program.id) : null;
    if (runner !== null) {
      fill(runner, nowMs);
      runner.start(run, costMs, nowMs);
      return;
    }
    const predictedMs = this.predictedWaitMs(run.profile, costMs);
    this.starts.push({ run, delivery: null, costMs, queuedMs: nowMs, predictedMs });
  }

  /** Sends a result to the runner that has the run, or lets it wait. */
  deliver(run: DispatchedRun, runner: RunnerProcess, delivery: Delivery, nowMs: number): void {
    this.#count(run);
    const costMs = run.profile.deliveryCostMs(delivery.json.length);
    if (runner.deliveries.size === 0 && hasRoom(runner)) {
      fill(runner, nowMs);
      runner.deliver(run, delivery, costMs);
      return;
    }
    run.queuedDeliveries++;
    runner.deliveries.push({ run, delivery, costMs, queuedMs: nowMs, predictedMs: 0 });
  }

  /** Called every few tens of milliseconds: what was learned of a moment of much work is forgotten again. */
  tick(): void {
    for (const runner of this.runners) runner.roomMs += (workInRunnerMs - runner.roomMs) * lessRate;
  }

  /** A segment took so long, and so much CPU. */
  learnPace(durationMs: number, cpuMs: number): void {
    this.#segmentPace = learnPace(this.#segmentPace, durationMs / Math.max(cpuMs, 1));
  }

  /** The wait is over, one way or the other: how long was it, beside what was predicted? */
  learnWait({ predictedMs, queuedMs }: QueuedWork, nowMs: number): void {
    if (predictedMs <= paceMinMs) return;
    const pace = Math.max(this.#segmentPace, this.#waitPace);
    this.#waitPace = learnPace(this.#waitPace, (pace * (nowMs - queuedMs)) / predictedMs);
  }

  /** Gives the runner what waits, while it has room. */
  pump(runner: RunnerProcess, nowMs: number): void {
    if (runner.unanswered === 0) {
      const idleMs = nowMs - runner.filledMs - runner.busyMs;
      runner.roomMs = Math.min(workInRunnerMaxMs, Math.max(runner.roomMs, idleMs));
    }
    runner.busyMs = 0;
    runner.filledMs = nowMs;
    while (hasRoom(runner)) {
      const work = this.#takeFor(runner);
      if (work === null) return;
      if (work.delivery === null) this.#sendStart(runner, work, nowMs);
      else this.#sendDelivery(runner, work, work.delivery);
    }
  }

  /** A segment of the run left the lane: it was answered, or will not be. */
  uncount(run: DispatchedRun, segments: number): void {
    this.open -= segments;
    run.profile.open -= segments;
    if (this.isFast) run.profile.openInFast -= segments;
  }

  /** The run goes on counting in another lane. */
  moveTo(lane: Lane, run: DispatchedRun): void {
    const segments = run.unanswered + run.queuedDeliveries;
    this.uncount(run, segments);
    run.lane = lane;
    lane.open += segments;
    run.profile.open += segments;
    if (lane.isFast) run.profile.openInFast += segments;
  }

  #count(run: DispatchedRun): void {
    this.open++;
    run.profile.open++;
    if (this.isFast) run.profile.openInFast++;
  }

  /** First segments and results share a runner by estimated CPU: `turnMs` is what results had more than first segments. */
  #takeFor(runner: RunnerProcess): QueuedWork | null {
    if (runner.deliveries.size === 0) {
      runner.turnMs = 0;
      return this.starts.take();
    }
    if (this.starts.size === 0) {
      runner.turnMs = 0;
      return runner.deliveries.take();
    }
    const isDelivery = runner.turnMs <= 0;
    const work = (isDelivery ? runner.deliveries : this.starts).take();
    if (work !== null) runner.turnMs += isDelivery ? work.costMs : -work.costMs;
    return work;
  }

  #sendStart(runner: RunnerProcess, work: QueuedWork, nowMs: number): void {
    const { run } = work;
    if (run.state !== 'queued') return;
    run.queuedMs = nowMs - work.queuedMs;
    this.learnWait(work, nowMs);
    runner.start(run, work.costMs, nowMs);
  }

  #sendDelivery(runner: RunnerProcess, work: QueuedWork, delivery: Delivery): void {
    const { run } = work;
    if (run.state !== 'sent' || run.runner !== runner) return;
    run.queuedDeliveries--;
    runner.deliver(run, delivery, work.costMs);
  }

  #leastBusy(programId: number): RunnerProcess | null {
    const { runners } = this;
    if (runners.length === 1) return hasRoom(runners[0] as RunnerProcess) ? (runners[0] as RunnerProcess) : null;
    let best: RunnerProcess | null = null;
    let bestMs = Number.POSITIVE_INFINITY;
    for (const runner of runners) {
      if (!hasRoom(runner)) continue;
      const busyMs = runner.openMs + (runner.knows(programId) ? 0 : bindingMs);
      if (busyMs < bestMs) [best, bestMs] = [runner, busyMs];
    }
    return best;
  }
}

function learnPace(pace: number, seen: number): number {
  return pace + (Math.min(paceMax, Math.max(0.5, seen)) - pace) * paceRate;
}

/** The runner is given work outside of `pump`: what it did before does not count in the time since. */
function fill(runner: RunnerProcess, nowMs: number): void {
  if (runner.unanswered > 0) return;
  runner.filledMs = nowMs;
  runner.busyMs = 0;
}

function hasRoom(runner: RunnerProcess): boolean {
  return runner.unanswered === 0 || (runner.openMs < runner.roomMs && !runner.isHeld);
}
