import { availableParallelism } from 'node:os';
import type { Config } from '../config/config.ts';
import { endFlag, type Frame, frameType, lossReason } from '../protocol/frames.ts';
import type { GuestLimits } from '../protocol/program.ts';
import type { RunnerSettings } from '../protocol/runner-settings.ts';
import type {
  Dispatcher,
  DispatchStats,
  FinishedStep,
  IssuedEffect,
  ProgramRef,
  RunHandle,
  RunListener,
  RunLoss,
  RunStart,
} from './port.ts';
import { type DispatchedRun, type KillReason, RunnerProcess } from './runner-process.ts';
import { Watchdog } from './watchdog.ts';

export interface DispatcherOptions {
  vmPool: Config['vmPool'];
  /** Fast runners; 0 for the default, one less than the cores. */
  fastRunners: number;
  limits: GuestLimits;
  /** Tells the supervisor which processes to clean up when this one dies. */
  onRunners?: (pids: number[]) => void;
  log: { warn(message: string): void };
}

/** Runners that end before they were ready, in a row, before the next one is started with a growing delay: something is broken. */
const failedStartsMax = 5;
const restartDelayMaxMs = 5000;

/** Starts the runners and waits until the first of them is ready. */
export async function createDispatcher(options: DispatcherOptions): Promise<RunnerDispatcher> {
  const dispatcher = new RunnerDispatcher(options);
  await dispatcher.whenReady;
  return dispatcher;
}

/**
 * Sends runs to runners and tells each run's listener what became of it. A run belongs to one runner until it ends or is lost; every
 * dispatch has a token of its own, so what a forgotten dispatch still sends finds nobody.
 */
export class RunnerDispatcher implements Dispatcher {
  readonly whenReady: Promise<void>;
  readonly #options: DispatcherOptions;
  readonly #settings: RunnerSettings;
  readonly #fast: RunnerProcess[] = [];
  readonly #quarantines = new Set<RunnerProcess>();
  readonly #watchdog: Watchdog;
  readonly #events = {
    onFrame: (runner: RunnerProcess, frame: Frame): void => this.#onFrame(runner, frame),
    onExit: (runner: RunnerProcess, how: string): void => this.#onExit(runner, how),
  };
  #resolveReady: () => void = () => {};
  #lastToken = 0;
  #closing = false;
  #failedStarts = 0;
  #restartsTotal = 0;
  #killedTotal = 0;
  #exhaustedTotal = 0;
  #vmCreatedBefore = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    const count = options.fastRunners > 0 ? options.fastRunners : Math.max(1, availableParallelism() - 1);
    const { vmPool } = options;
    this.#settings = {
      limits: options.limits,
      maxMemoryMiB: vmPool.maxMemoryMiB,
      maxSize: Math.max(1, Math.ceil(vmPool.maxSize / count)),
      preloadSize: Math.ceil(vmPool.preloadSize / count),
      idleTimeoutMs: vmPool.idleTimeoutMs,
      cleanupIntervalMs: vmPool.cleanupIntervalMs,
      recycleAfterRuns: vmPool.recycleAfterRuns,
      maxExecutionMs: vmPool.maxExecutionMs,
    };
    this.whenReady = new Promise((resolve) => {
      this.#resolveReady = resolve;
    });
    for (let i = 0; i < count; i++) this.#fast.push(this.#spawn(false));
    this.#watchdog = new Watchdog({
      runners: () => [...this.#fast, ...this.#quarantines],
      maxExecutionMs: vmPool.maxExecutionMs,
      maxMemoryMiB: vmPool.maxMemoryMiB,
    });
  }

  get ready(): boolean {
    return !this.#closing && this.#fast.some((runner) => runner.isReady && !runner.hasExited);
  }

  start(start: RunStart, listener: RunListener): RunHandle {
    const inQuarantine = start.care === 'quarantine';
    const runner = inQuarantine ? this.#quarantine() : this.#leastLoaded();
    if (runner.predictedWaitMs > this.#options.vmPool.acquireTimeoutMs && !inQuarantine) {
      this.#exhaustedTotal++;
      queueMicrotask(() => listener.onLoss({ kind: 'pool_exhausted' }));
      return forgottenRun;
    }
    const run: DispatchedRun = { token: ++this.#lastToken, start, listener, runner, unanswered: 0 };
    runner.start(run, performance.now());
    return new DispatchedHandle(run);
  }

  /** Tells the runners that a program will not be used again. */
  forgetProgram(program: ProgramRef): void {
    for (const runner of this.#fast) runner.forgetProgram(program.id);
  }

  stats(): DispatchStats {
    const stats: DispatchStats = {
      runners: 0,
      vmSize: 0,
      vmInUse: 0,
      waiting: 0,
      exhaustedTotal: this.#exhaustedTotal,
      restartsTotal: this.#restartsTotal,
      killedTotal: this.#killedTotal,
      vmCreatedTotal: this.#vmCreatedBefore,
    };
    for (const runner of [...this.#fast, ...this.#quarantines]) {
      if (runner.hasExited) continue;
      stats.runners++;
      stats.vmSize += runner.pool.size;
      stats.vmInUse += runner.pool.inUse;
      stats.vmCreatedTotal += runner.pool.createdTotal;
      stats.waiting += Math.max(0, runner.unanswered - 1);
    }
    return stats;
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#watchdog.stop();
    const runners = [...this.#fast, ...this.#quarantines].filter((runner) => !runner.hasExited);
    for (const runner of runners) runner.close();
    await new Promise<void>((resolve) => {
      const deadline = setTimeout(() => {
        for (const runner of runners) if (!runner.hasExited) process.kill(runner.pid, 'SIGKILL');
      }, 1000);
      const check = setInterval(() => {
        if (runners.some((runner) => !runner.hasExited)) return;
        clearInterval(check);
        clearTimeout(deadline);
        resolve();
      }, 10);
    });
  }

  #spawn(quarantine: boolean): RunnerProcess {
    const settings = quarantine ? { ...this.#settings, preloadSize: 1, maxSize: 1 } : this.#settings;
    const runner = new RunnerProcess(settings, quarantine, this.#events);
    queueMicrotask(() => this.#reportRunners());
    return runner;
  }

  /** Process ids of the runners that are up. */
  get pids(): number[] {
    return [...this.#fast, ...this.#quarantines].filter((runner) => !runner.hasExited).map((runner) => runner.pid);
  }

  #reportRunners(): void {
    this.#options.onRunners?.(this.pids);
  }

  #leastLoaded(): RunnerProcess {
    let best = this.#fast[0] as RunnerProcess;
    for (const runner of this.#fast) {
      if (best.hasExited || (!runner.hasExited && runner.predictedWaitMs < best.predictedWaitMs)) best = runner;
    }
    return best;
  }

  #quarantine(): RunnerProcess {
    const runner = this.#spawn(true);
    this.#quarantines.add(runner);
    return runner;
  }

  #onFrame(runner: RunnerProcess, frame: Frame): void {
    switch (frame.type) {
      case frameType.ready:
        runner.isReady = true;
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
    const durationMs = frame.b / 1000;
    runner.answered(run, durationMs);
    switch (frame.type) {
      case frameType.segment:
        run.listener.onSegment({
          effects: parseEffects(frame.text(0)),
          finished: parseFinished(frame.text(1)),
          logsJson: frame.text(2),
          durationMs,
          acquireMs: frame.timeMs / 1000,
        });
        break;
      case frameType.end:
        this.#forget(run);
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
          acquireMs: frame.timeMs / 1000,
        });
        break;
      case frameType.badBody:
        this.#forget(run);
        run.listener.onBadBody(frame.text(0));
        break;
      case frameType.loss:
        this.#forget(run);
        if (frame.a === lossReason.poolExhausted) this.#exhaustedTotal++;
        run.listener.onLoss(lossOf(frame.a));
        break;
      default:
        runner.kill('protocol');
    }
  }

  #forget(run: DispatchedRun): void {
    const runner = run.runner;
    runner.runs.delete(run.token);
    runner.unanswered -= run.unanswered;
    run.unanswered = 0;
    if (runner.quarantine && runner.runs.size === 0) runner.close();
  }

  #onExit(runner: RunnerProcess, how: string): void {
    const announced = runner.announcement.read();
    this.#vmCreatedBefore += runner.pool.createdTotal;
    const runs = [...runner.runs.values()];
    runner.runs.clear();
    if (runner.quarantine) {
      this.#quarantines.delete(runner);
    } else if (!this.#closing) {
      this.#replace(runner, how);
    }
    if (runner.killReason !== null && runner.killReason !== 'closing') this.#killedTotal++;
    for (const run of runs) run.listener.onLoss(lossAtDeath(run, announced));
    this.#reportRunners();
  }

  #replace(runner: RunnerProcess, how: string): void {
    this.#restartsTotal++;
    this.#failedStarts = runner.isReady ? 0 : this.#failedStarts + 1;
    const why =
      runner.killReason === null
        ? `${how}${runner.lastWords === '' ? '' : `, "${runner.lastWords.slice(0, 200)}"`}`
        : `stopped by the watchdog: ${runner.killReason}`;
    this.#options.log.warn(`runner ${runner.pid} ended (${why}); starting another`);
    if (this.#failedStarts < failedStartsMax) {
      this.#succeed(runner);
      return;
    }
    const delayMs = Math.min(restartDelayMaxMs, 50 * 2 ** (this.#failedStarts - failedStartsMax));
    setTimeout(() => this.#succeed(runner), delayMs);
  }

  /** Starts a runner in the place of one that ended; it takes what was dispatched to that place meanwhile. */
  #succeed(ended: RunnerProcess): void {
    if (this.#closing) return;
    const runner = this.#spawn(false);
    this.#fast[this.#fast.indexOf(ended)] = runner;
    for (const run of ended.runs.values()) {
      run.runner = runner;
      run.unanswered = 0;
      runner.start(run, performance.now());
    }
    ended.runs.clear();
  }
}

/** The handle of a run that was refused at once. */
const forgottenRun: RunHandle = { deliver: () => {}, drop: () => {} };

class DispatchedHandle implements RunHandle {
  readonly #run: DispatchedRun;
  constructor(run: DispatchedRun) {
    this.#run = run;
  }
  deliver(stepPath: string, seq: number, ok: boolean, json: string, timeMs: number): void {
    this.#run.runner.deliver(this.#run, stepPath, seq, ok, json, timeMs);
  }
  drop(): void {
    const { runner } = this.#run;
    runner.drop(this.#run);
    if (runner.quarantine && runner.runs.size === 0) runner.close();
  }
}

function lossOf(reason: number): RunLoss {
  switch (reason) {
    case lossReason.timedOut:
      return { kind: 'timed_out', limit: 'timeout' };
    case lossReason.cpuLimit:
      return { kind: 'timed_out', limit: 'max_execution_seconds' };
    case lossReason.memory:
      return { kind: 'crashed', reason: 'it used more memory than [vm_pool] max_memory_mb allows' };
    case lossReason.poolExhausted:
      return { kind: 'pool_exhausted' };
    case lossReason.interrupted:
      return { kind: 'interrupted' };
    default:
      return { kind: 'lost' };
  }
}

/** What a run ends with when its runner died, by who killed it and whether it was the one being executed. */
function lossAtDeath(run: DispatchedRun, announced: number): RunLoss {
  const { runner } = run;
  if (runner.quarantine && runner.killReason === null) {
    return { kind: 'crashed', reason: 'it ended the process that runs VMs, twice; the second time alone in it' };
  }
  // A negative announcement names no run: any that was on its way may have been the one.
  if (announced < 0 && run.unanswered > 0 && runner.killReason !== 'closing')
    return { kind: 'suspect', care: 'careful' };
  if (run.token !== announced) return { kind: 'lost' };
  const reason: KillReason | null = runner.killReason;
  switch (reason) {
    case 'timeout':
    case 'max_execution_seconds':
      return { kind: 'timed_out', limit: reason };
    case 'memory':
      return { kind: 'crashed', reason: 'it used more memory outside its VM than a runner may' };
    case 'closing':
      return { kind: 'lost' };
    default:
      return { kind: 'suspect', care: 'quarantine' };
  }
}

function parseEffects(json: string): IssuedEffect[] {
  if (json === '') return [];
  return (JSON.parse(json) as [string, number, number, string, string][]).map(
    ([stepPath, attempt, seq, kind, argumentsJson]) => ({
      stepPath,
      attempt,
      seq,
      kind,
      argumentsJson,
    }),
  );
}

function parseFinished(json: string): FinishedStep[] {
  if (json === '') return [];
  return (JSON.parse(json) as string[]).map((entryJson) => ({ path: pathOf(entryJson), entryJson }));
}

/** The first item of a trace entry, without parsing the output that it ends with. */
function pathOf(entryJson: string): string {
  return JSON.parse(entryJson.slice(1, entryJson.indexOf('",') + 1)) as string;
}
