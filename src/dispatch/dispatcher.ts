import type { Config } from '../config/config.ts';
import { endFlag, type Frame, frameType, lossReason } from '../protocol/frames.ts';
import type { GuestLimits } from '../protocol/program.ts';
import { DispatchedRun } from './dispatched-run.ts';
import { assertIsolated, assertRequiredLayers } from './isolation/assert-layers.ts';
import { chooseIsolation, type Isolation, layerStates } from './isolation/choose-plan.ts';
import type { LayerState } from './isolation/plan.ts';
import { RunnerLauncher } from './isolation/runner-launcher.ts';
import { Lane } from './lane.ts';
import { LaneWatch } from './lane-watch.ts';
import { lossAtDeath, lossOf } from './loss.ts';
import type {
  Dispatcher,
  DispatchObserver,
  DispatchStats,
  ProgramRef,
  RunHandle,
  RunListener,
  RunLoss,
  RunStart,
} from './port.ts';
import { RunnerFleet } from './runner-fleet.ts';
import { defaultGroup } from './runner-group.ts';
import type { RunnerProcess } from './runner-process.ts';
import { parseEffects, parseFinished } from './segment-frame.ts';
import { Watchdog } from './watchdog.ts';
import type { QueuedWork } from './work-queue.ts';
import { fastBudgetMs, type LearnedTimes, largePayloadSize, WorkflowProfile } from './workflow-profile.ts';

export interface DispatcherOptions {
  vmPool: Config['vmPool'];
  fastRunners: number;
  /** 0, the default: a single lane without a spare, for a command that runs one workflow. */
  slowRunners?: number;
  limits: GuestLimits;
  /** What an earlier process learned, by workflow. */
  learned?: ReadonlyMap<string, LearnedTimes>;
  observer?: DispatchObserver;
  /** How runners are isolated; the strongest way that works here when it is missing. */
  isolation?: Promise<Isolation>;
  /** Layers of isolation without which no runner is started. */
  requiredLayers?: readonly string[];
  /** Tells the supervisor which processes to clean up when this one dies. */
  onRunners?: (pids: number[]) => void;
  log: { warn(message: string): void };
}

/** What has waited this much longer than `acquire_timeout_ms` is refused. */
const refusalSlackMs = 50;
/**
 * What would wait for longer than this share of `acquire_timeout_ms` is refused at once: to be told late is worse than to be told no, and
 * under overload the queue is always as long as it may be, where an estimate without a margin is wrong half of the time.
 */
const admittedShare = 0.8;
const tickMs = 50;
/** Workflows that were not used for long are forgotten beyond so many. */
const profilesMax = 20_000;

/**
 * Starts the runners and waits until the first of them is ready.
 * @throws NflowError `invalid_config` when a layer of isolation that is required cannot be had.
 */
export async function createDispatcher(options: DispatcherOptions): Promise<RunnerDispatcher> {
  const isolation = await (options.isolation ?? chooseIsolation());
  const layers = layerStates(isolation.plan);
  assertRequiredLayers(options.requiredLayers ?? [], layers);
  const dispatcher = new RunnerDispatcher(options, new RunnerLauncher(isolation), layers);
  await dispatcher.whenReady;
  try {
    for (const pid of dispatcher.readyPids) assertIsolated(pid, layers);
  } catch (error) {
    await dispatcher.close();
    throw error;
  }
  return dispatcher;
}

/**
 * Sends runs to runners and tells each run's listener what became of it.
 *
 * - **Lanes.** A run goes to the fast lane of its trust group, or to the slow one when its workflow is heavy; also when others wait and it is large or
 *   nobody knows its workflow. A fast runner that is held up by a long segment leaves the lane (`RunnerFleet.handOff`): what was behind it starts again
 *   elsewhere, and nothing is stopped.
 * - **Admission.** A run that would wait for longer than `acquire_timeout_ms` is refused at once, by what was learned of the workflows before it.
 * - **Eviction.** A run that waits may leave its VM at any time: nothing happens then. When a result for it comes, its listener is told that
 *   it is `evicted`, and dispatches it again, from its journal.
 */
export class RunnerDispatcher implements Dispatcher {
  readonly whenReady: Promise<void>;
  /** Of isolation, on and off. */
  readonly layers: readonly LayerState[];
  readonly #options: DispatcherOptions;
  readonly #fleet: RunnerFleet;
  readonly #watchdog: Watchdog;
  readonly #laneWatch: LaneWatch;
  readonly #ticker: NodeJS.Timeout;
  readonly #observer: DispatchObserver | null;
  readonly #profiles = new Map<string, WorkflowProfile>();
  /** The same, by program: what a dispatch looks for. */
  readonly #profilesByProgram = new Map<number, WorkflowProfile>();
  #resolveReady: () => void = () => {};
  #lastToken = 0;
  #exhaustedTotal = 0;
  #evictedTotal = 0;

  constructor(options: DispatcherOptions, launcher: RunnerLauncher, layers: readonly LayerState[]) {
    this.#options = options;
    this.layers = layers;
    this.#observer = options.observer ?? null;
    this.whenReady = new Promise((resolve) => {
      this.#resolveReady = resolve;
    });
    this.#fleet = new RunnerFleet({
      ...options,
      launcher,
      slowRunners: options.slowRunners ?? 0,
      onFrame: (runner, frame) => this.#onFrame(runner, frame),
      onRead: (runner) => this.#pump(runner),
      onGone: (runner) => this.#onGone(runner),
      onJoined: (lane) => this.#pumpAll(lane),
    });
    this.#watchdog = new Watchdog({
      runners: () => this.#fleet.runners,
      maxExecutionMs: options.vmPool.maxExecutionMs,
      maxMemoryMiB: options.vmPool.maxMemoryMiB,
    });
    const fastLanes = (): Lane[] => [...this.#fleet.groups].map(({ fast }) => fast);
    this.#laneWatch = new LaneWatch(fastLanes, (runner, token) => this.#onHeld(runner, token));
    this.#ticker = setInterval(() => this.#tick(performance.now()), tickMs);
  }

  get ready(): boolean {
    return this.#fleet.group(defaultGroup).fast.isUp;
  }

  /** Process ids of the runners that are up. */
  get pids(): number[] {
    return this.#fleet.runners.map(({ pid }) => pid);
  }

  /** Of those that have given up their privileges. */
  get readyPids(): number[] {
    return this.#fleet.runners.filter(({ isReady }) => isReady).map(({ pid }) => pid);
  }

  start(start: RunStart, listener: RunListener): RunHandle {
    const profile = this.#profilesByProgram.get(start.program.id) ?? this.#profileOf(start.program);
    const nowMs = performance.now();
    if (start.care === 'quarantine') return this.#startAlone(start, listener, profile, nowMs);
    const run = new DispatchedRun(++this.#lastToken, start, listener, profile, profile.group.fast);
    const lane = this.#laneFor(run);
    run.lane = lane;
    if (lane.open > 0 && start.isReturning !== true && this.#isRefused(lane, run)) {
      run.state = 'over';
      this.#exhaustedTotal++;
      queueMicrotask(() => listener.onLoss({ kind: 'pool_exhausted' }));
      return new DispatchedHandle(this, run);
    }
    lane.place(run, nowMs);
    if (lane.isFast) {
      this.#laneWatch.arm();
      // A long segment was going on alone, and is not any more.
      if (run.state === 'queued') this.#relieve(lane);
    }
    return new DispatchedHandle(this, run);
  }

  /** What a handle asks for: a result for the run. */
  deliver(
    run: DispatchedRun,
    stepPath: string,
    seq: number,
    ok: boolean,
    json: string,
    timeMs: number,
    isReplay: boolean,
  ): void {
    const { runner } = run;
    if (run.state === 'over') return;
    if (run.state !== 'sent' || runner === null || this.#isInTheWay(run, runner)) {
      this.#comeBack(run);
      return;
    }
    run.lane.deliver(run, runner, { stepPath, seq, ok, json, timeMs, isReplay }, performance.now());
    if (run.lane.isFast) this.#laneWatch.arm();
  }

  /** What a handle asks for: the run is forgotten; frames that still come are dropped. */
  drop(run: DispatchedRun): void {
    const { state, runner } = run;
    run.state = 'over';
    if (state === 'queued') {
      run.lane.uncount(run, 1);
    } else if (state === 'sent' && runner !== null) {
      runner.drop(run);
      if (runner.quarantine) runner.close();
      else this.#pump(runner);
    }
  }

  /** Tells the runners that a program will not be used again. */
  forgetProgram(program: ProgramRef): void {
    this.#profilesByProgram.delete(program.id);
    for (const runner of this.#fleet.runners) runner.forgetProgram(program.id);
  }

  /** What was learned of each workflow, for a later process. */
  learned(): Map<string, LearnedTimes> {
    const all = new Map<string, LearnedTimes>();
    for (const [workflow, { startMs, deliverMs, samples, isKnown }] of this.#profiles) {
      if (isKnown) all.set(workflow, { startMs, deliverMs, samples });
    }
    return all;
  }

  stats(): DispatchStats {
    const fleet = this.#fleet;
    const stats: DispatchStats = {
      runners: {
        fast: fleet.count('fast'),
        slow: fleet.count('slow'),
        spare: fleet.count('spare'),
        quarantine: fleet.quarantined,
      },
      vmSize: 0,
      vmInUse: 0,
      waiting: 0,
      exhaustedTotal: this.#exhaustedTotal,
      restartsTotal: fleet.restartsTotal,
      killedTotal: fleet.killedTotal,
      vmCreatedTotal: fleet.vmCreatedBefore,
      handoffsTotal: fleet.handoffsTotal,
      evictedTotal: this.#evictedTotal,
    };
    for (const runner of fleet.runners) {
      stats.vmSize += runner.pool.size;
      // One that executes may hold no unfinished run at the moment of its report.
      stats.vmInUse += Math.max(runner.pool.inUse, runner.unanswered > 0 ? 1 : 0);
      stats.vmCreatedTotal += runner.pool.createdTotal;
      stats.waiting += Math.max(0, runner.unanswered - 1) + runner.deliveries.size;
    }
    for (const { fast, slow } of fleet.groups) stats.waiting += fast.starts.size + slow.starts.size;
    return stats;
  }

  async close(): Promise<void> {
    clearInterval(this.#ticker);
    this.#watchdog.stop();
    this.#laneWatch.close();
    await this.#fleet.close();
  }

  // ---- where a run goes -----------------------------------------------------------------------------------------------------------

  #profileOf(program: ProgramRef): WorkflowProfile {
    const group = this.#fleet.group(program.trustGroup ?? defaultGroup);
    let profile = this.#profiles.get(program.workflow);
    if (profile === undefined || profile.group !== group) {
      profile = new WorkflowProfile(program.workflow, group, this.#options.learned?.get(program.workflow));
      this.#profiles.set(program.workflow, profile);
    }
    this.#profilesByProgram.set(program.id, profile);
    return profile;
  }

  #laneFor(run: DispatchedRun): Lane {
    const { profile } = run;
    const { group } = profile;
    const { fast, slow } = group;
    if (!group.isDefault) {
      group.lastUsedMs = performance.now();
      this.#fleet.ensure(group);
      if (profile.isHeavy) this.#fleet.ensureSlow(group);
    }
    if (!slow.isUp) return fast;
    if (profile.isHeavy) return slow;
    const mayBeLong = !profile.isKnown || run.size > largePayloadSize;
    return mayBeLong && fast.open > profile.openInFast ? slow : fast;
  }

  #isRefused(lane: Lane, { profile, size }: DispatchedRun): boolean {
    const predictedMs = lane.predictedWaitMs(profile, profile.startCostMs(size));
    return predictedMs > this.#options.vmPool.acquireTimeoutMs * admittedShare;
  }

  #startAlone(start: RunStart, listener: RunListener, profile: WorkflowProfile, nowMs: number): RunHandle {
    const lane = new Lane('quarantine');
    const run = new DispatchedRun(++this.#lastToken, start, listener, profile, lane);
    const runner = this.#fleet.quarantine();
    if (runner === null) {
      run.state = 'over';
      this.#exhaustedTotal++;
      queueMicrotask(() => listener.onLoss({ kind: 'pool_exhausted' }));
      return new DispatchedHandle(this, run);
    }
    runner.lane = lane;
    lane.runners.push(runner);
    lane.place(run, nowMs);
    return new DispatchedHandle(this, run);
  }

  // ---- eviction and hand-off ------------------------------------------------------------------------------------------------------

  /** A light run does not wait for heavy ones: where they are, it leaves, and comes back in the fast lane. */
  #isInTheWay(run: DispatchedRun, runner: RunnerProcess): boolean {
    if (this.#fleet.isLeaving(runner)) return true;
    const isElsewhere = run.lane.name === 'slow' && !run.profile.isHeavy && run.profile.group.fast.isUp;
    return isElsewhere && runner.unanswered > 0;
  }

  /** A result has come for a run that no runner has, or that leaves the one that has it. */
  #comeBack(run: DispatchedRun): void {
    if (run.isComingBack) return;
    if (run.state === 'sent') run.runner?.drop(run);
    else if (run.state === 'queued') run.lane.uncount(run, 1);
    run.state = 'evicted';
    run.isComingBack = true;
    // The caller may be in the middle of handing out results: those that follow are in the journal as well by then.
    queueMicrotask(() => {
      if (run.state === 'over') return;
      run.state = 'over';
      run.listener.onLoss({ kind: 'evicted' });
    });
  }

  /** The run has left its VM, or is to leave it: `isToldRunner` says which. */
  #evict(run: DispatchedRun, runner: RunnerProcess, isToldRunner: boolean): void {
    this.#evictedTotal++;
    const isAwaited = run.unanswered + run.queuedDeliveries > 0;
    if (isToldRunner) runner.drop(run);
    else runner.release(run);
    run.state = 'evicted';
    // A result was on its way.
    if (isAwaited) this.#comeBack(run);
  }

  /** The first run of the lane has to wait: if that is for a segment over the budget, the lane goes on without its runner. */
  #relieve(lane: Lane): void {
    for (const runner of [...lane.runners]) if (runner.isHeld) this.#onHeld(runner, runner.pace.token);
  }

  /** A segment in the fast lane is over the fast budget. */
  #onHeld(runner: RunnerProcess, token: number): void {
    const { lane } = runner;
    if (lane === null || !lane.isFast || runner.hasExited) return;
    const isAlone = runner.unanswered <= 1 && runner.deliveries.size === 0 && lane.starts.size === 0;
    if (isAlone) return;
    // Programs that are known to be quick are not announced one by one: then it is the first one that was sent.
    const executing = runner.runs.get(token) ?? firstUnanswered(runner);
    executing?.profile.markHeavy(executing.hasStarted, 2 * fastBudgetMs);
    if (this.#fleet.handOff(runner)) this.#clearBehind(runner, lane, executing);
  }

  /** What was sent after the long segment starts again elsewhere; what waits in its runner is left there. */
  #clearBehind(runner: RunnerProcess, lane: Lane, executing: DispatchedRun | undefined): void {
    for (const run of [...runner.runs.values()]) {
      const isBehind = run !== executing && run.unanswered + run.queuedDeliveries > 0;
      if (isBehind) this.#comeBack(run);
      else lane.moveTo(runner.lane as Lane, run);
    }
  }

  /** Empties the runners that left the fast lane, once their long segment is over. */
  #settleLeaving(): void {
    for (const runner of this.#fleet.runners) {
      if (!this.#fleet.isLeaving(runner) || runner.unanswered > 0) continue;
      // It executes a run that was dropped: it ends that, or the watchdog ends it.
      if (runner.announcement.read() !== 0) continue;
      for (const run of [...runner.runs.values()]) this.#evict(run, runner, true);
      this.#fleet.settle(runner);
    }
  }

  #tick(nowMs: number): void {
    this.#settleLeaving();
    this.#fleet.tick(nowMs);
    const oldestMs = nowMs - this.#options.vmPool.acquireTimeoutMs - refusalSlackMs;
    for (const { fast, slow } of this.#fleet.groups) {
      for (const lane of [fast, slow]) {
        lane.tick();
        this.#refuseWaiting(lane, oldestMs);
      }
    }
    if (this.#profiles.size > profilesMax) this.#forgetProfiles();
  }

  /** The estimate was wrong: they have waited for as long as they may. */
  #refuseWaiting(lane: Lane, oldestMs: number): void {
    if (lane.starts.size === 0) return;
    const isOver = ({ run, queuedMs }: QueuedWork): boolean =>
      run.state === 'over' || (queuedMs < oldestMs && run.start.isReturning !== true);
    lane.starts.takeWhile(isOver, (work) => {
      const { run } = work;
      if (run.state === 'over') return;
      lane.learnWait(work, performance.now());
      run.state = 'over';
      lane.uncount(run, 1);
      this.#exhaustedTotal++;
      run.listener.onLoss({ kind: 'pool_exhausted' });
    });
  }

  #forgetProfiles(): void {
    this.#profiles.clear();
    this.#profilesByProgram.clear();
  }

  // ---- what runners say -----------------------------------------------------------------------------------------------------------

  #onFrame(runner: RunnerProcess, frame: Frame): void {
    switch (frame.type) {
      case frameType.ready:
        this.#fleet.onReady(runner);
        this.#resolveReady();
        return;
      case frameType.mark:
        runner.onMark();
        return;
      case frameType.pool:
        runner.pool.size = frame.a;
        runner.pool.inUse = frame.b;
        runner.pool.createdTotal = frame.timeMs;
        return;
    }
    // Frames are matched against what was dispatched to this very runner: another token is stale or forged.
    const run = runner.runs.get(frame.run);
    if (run === undefined) return;
    switch (frame.type) {
      case frameType.cpu:
        run.segmentCpuMs = frame.timeMs;
        return;
      case frameType.evicted:
        this.#evict(run, runner, false);
        return;
    }
    this.#onAnswer(runner, run, frame);
  }

  #onAnswer(runner: RunnerProcess, run: DispatchedRun, frame: Frame): void {
    const durationMs = frame.b / 1000;
    runner.answered(run);
    switch (frame.type) {
      case frameType.segment: {
        const acquireMs = this.#learn(run, durationMs, frame.timeMs / 1000);
        run.listener.onSegment({
          effects: parseEffects(frame.text(0)),
          finished: parseFinished(frame.text(1)),
          logsJson: frame.text(2),
          durationMs,
          acquireMs,
        });
        break;
      }
      case frameType.end: {
        const acquireMs = this.#learn(run, durationMs, frame.timeMs / 1000);
        this.#forget(run, runner);
        run.listener.onEnd({
          status: (frame.flags & endFlag.failed) === 0 ? 'succeeded' : 'failed',
          httpStatus: frame.a,
          headersJson: frame.text(0),
          output: frame.bytes(1),
          errorJson: frame.text(2),
          trace: frame.bytes(3),
          logsJson: frame.text(4),
          effects: parseEffects(frame.text(5)),
          durationMs,
          acquireMs,
        });
        break;
      }
      case frameType.badBody:
        this.#forget(run, runner);
        run.listener.onBadBody(frame.text(0));
        break;
      case frameType.loss:
        this.#forget(run, runner);
        if (frame.a === lossReason.poolExhausted) this.#exhaustedTotal++;
        run.listener.onLoss(lossOf(frame.a));
        break;
      default:
        runner.kill('protocol');
    }
  }

  /** Learns from an answered segment. Returns how long the run waited for its VM, here and in the runner. */
  #learn(run: DispatchedRun, durationMs: number, acquiredMs: number): number {
    const { profile, segmentCpuMs } = run;
    const cpuMs = segmentCpuMs >= 0 ? segmentCpuMs : durationMs;
    if (segmentCpuMs >= 0) {
      run.lane.learnPace(durationMs, cpuMs);
      run.segmentCpuMs = -1;
    }
    if (run.runner !== null) run.runner.busyMs += durationMs + acquiredMs;
    const observer = this.#observer;
    observer?.onSegment(run.lane.name, durationMs);
    if (run.hasStarted) {
      profile.learnDelivery(cpuMs);
      return acquiredMs;
    }
    run.hasStarted = true;
    if (profile.samples === 0) profile.group.learnBinding(acquiredMs + cpuMs);
    // A large payload tells of itself, not of its workflow.
    if (run.size < largePayloadSize) profile.learnStart(cpuMs);
    profile.learnAcquire(acquiredMs);
    const acquireMs = acquiredMs + run.queuedMs;
    observer?.onAcquire(acquireMs);
    return acquireMs;
  }

  #forget(run: DispatchedRun, runner: RunnerProcess): void {
    runner.release(run);
    run.state = 'over';
    if (runner.quarantine && runner.runs.size === 0) runner.close();
  }

  #onGone(runner: RunnerProcess): void {
    const announced = runner.announcement.read();
    const losses: [DispatchedRun, RunLoss][] = [];
    for (const run of [...runner.runs.values()]) {
      losses.push([run, lossAtDeath(run, runner, announced)]);
      runner.release(run);
      run.state = 'over';
    }
    for (const [run, loss] of losses) run.listener.onLoss(loss);
  }

  // ---- giving runners work --------------------------------------------------------------------------------------------------------

  #pump(runner: RunnerProcess): void {
    const { lane } = runner;
    if (lane === null || (lane.starts.size === 0 && runner.deliveries.size === 0)) return;
    if (this.#fleet.isLeaving(runner)) return;
    lane.pump(runner, performance.now());
  }

  #pumpAll(lane: Lane): void {
    const nowMs = performance.now();
    for (const runner of lane.runners) lane.pump(runner, nowMs);
  }
}

function firstUnanswered(runner: RunnerProcess): DispatchedRun | undefined {
  for (const run of runner.runs.values()) if (run.unanswered > 0) return run;
  return undefined;
}

class DispatchedHandle implements RunHandle {
  readonly #dispatcher: RunnerDispatcher;
  readonly #run: DispatchedRun;

  constructor(dispatcher: RunnerDispatcher, run: DispatchedRun) {
    this.#dispatcher = dispatcher;
    this.#run = run;
  }

  deliver(stepPath: string, seq: number, ok: boolean, json: string, timeMs: number, isReplay: boolean): void {
    this.#dispatcher.deliver(this.#run, stepPath, seq, ok, json, timeMs, isReplay);
  }

  drop(): void {
    this.#dispatcher.drop(this.#run);
  }
}
