import { writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import {
  deliverFlag,
  endFlag,
  type Frame,
  FrameReader,
  FrameWriter,
  frameType,
  lossReason,
  startFlag,
} from '../protocol/frames.ts';
import { type RunnerSettings, runnerAnnounceFd } from '../protocol/runner-settings.ts';
import { noTimeout, SegmentInterrupted, type Vm } from './vm.ts';
import { halfFull, nearlyFull, VmPool } from './vm-pool.ts';

interface HostedProgram {
  text: string;
  /** Learned: how long a run of it waits for a result. 0 when none has come yet. */
  meanWaitMs: number;
  /** Segments in a row that were quick. */
  quickSegments: number;
}

/** A run that is to be started. */
interface StartOrder {
  token: number;
  programId: number;
  careful: boolean;
  isReturning: boolean;
  /** `performance.now()` of this process at which its wall time is over. */
  deadlineMs: number;
  text: () => string;
}

/** What a run in a VM is known by here. */
interface HostedRun {
  vm: Vm;
  program: HostedProgram;
  /** `performance.now()` of this process at which its wall time is over. */
  deadlineMs: number;
  /** One of several that may have ended a runner: treated as if its program were unknown. */
  careful: boolean;
  /** It comes back by replay, and has not been given anything new yet: what it waits for follows at once. */
  isReturning: boolean;
  /** Known by its token: from its first segment that did not end it. */
  isWaiting: boolean;
  /** `performance.now()` of the end of its last segment. */
  waitsSinceMs: number;
}

/** Answers are sent on while a long batch is still being worked on, so that the gateway is not idle meanwhile. */
const flushAfterMs = 0.5;
/** A program that takes longer to compile than this is given up. */
const loadTimeoutMs = 5000;
/**
 * The isolate's own timer costs about a third of a short segment (2.4 us, and a second thread that wakes up), and so does announcing
 * it (a system call). A program that was quick so often in a row does without both: only that such programs are being executed is
 * announced. Should one loop or crash all the same, the watchdog ends this runner, and the runs that were on their way to it are
 * dispatched again as careful ones, which tells who it was. One slow segment makes a program unknown again.
 */
const quickSegmentsMin = 500;
const quickMs = 2;
const nothing = '';
/** The memory of a VM is looked at after so many short segments, and after each that took this long or was answered with so much. */
const sampledSegments = 64;
const sampledAfterMs = 1;
const sampledAnswerSize = 128 * 1024;
/** Weight of a wait in the learned mean. */
const waitRate = 0.1;
/**
 * A run that comes back keeps its VM until it was given something new, which follows at once: else several of them could keep each other
 * from getting on for ever. For no longer than this after each segment, should it not follow.
 */
const returningMs = 1000;
/** Runs that wait for a VM because of those that have come back are looked at after each batch, and this often. */
const heldAgainMs = 20;
/** Runs that waited for longer than this leave their VM when the pool or the VM is over half full. */
const longWaitMs = 1000;
const sweepIntervalMs = 250;
/** What one sweep may take, and when the next one comes if it was not enough: a request must not wait for it. */
const sweepBudgetMs = 1;
const sweepAgainMs = 10;

/**
 * A runner: executes segments, one at a time, as frames ask for them. It trusts nothing but its socket, knows no secret and opens
 * nothing. Before it enters a segment it announces the run's token in a file that survives its death.
 */
export class Runner {
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #writer = new FrameWriter();
  readonly #programs = new Map<number, HostedProgram>();
  readonly #runs = new Map<number, HostedRun>();
  readonly #announcement = new Float64Array(1);
  readonly #onFrame = (frame: Frame): void => this.#handle(frame);
  #settings: RunnerSettings | null = null;
  #pool: VmPool | null = null;
  #batchStartMs = 0;
  #batchCpuMs = 0;
  #flushedMs = 0;
  /** Counts announcements of "programs that are known to be quick"; they are negative, and change while there is progress. */
  #quickStretches = 0;
  #reportedStats = '';
  #isPreloading = false;
  #sweepTimer: NodeJS.Timeout | null = null;
  /** Starts that wait because every VM is claimed by a run that has just come back. */
  #held: StartOrder[] = [];
  #heldTimer: NodeJS.Timeout | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#work(chunk));
  }

  #work(chunk: Buffer): void {
    this.#openBatch();
    this.#reader.push(chunk, this.#onFrame);
    if (this.#held.length > 0) this.#beginHeld();
    this.#closeBatch();
  }

  #openBatch(): void {
    this.#batchStartMs = performance.now();
    this.#flushedMs = this.#batchStartMs;
    const used = process.threadCpuUsage();
    this.#batchCpuMs = (used.user + used.system) / 1000;
  }

  #closeBatch(): void {
    this.#announce(0);
    this.#flush();
  }

  #flush(): void {
    if (this.#writer.pendingBytes > 0) this.#socket.write(this.#writer.take());
  }

  #announce(run: number): void {
    if (this.#announcement[0] === run) return;
    this.#announcement[0] = run;
    writeSync(runnerAnnounceFd, this.#announcement, 0, 8, 0);
  }

  #announceSegment(token: number, program: HostedProgram, careful: boolean): void {
    if (careful || program.quickSegments < quickSegmentsMin) this.#announce(token);
    else if ((this.#announcement[0] as number) >= 0) this.#announce(-++this.#quickStretches);
  }

  #handle(frame: Frame): void {
    switch (frame.type) {
      case frameType.start:
        this.#start(frame);
        break;
      case frameType.deliver:
        this.#deliver(frame);
        break;
      case frameType.drop:
        this.#drop(frame.run);
        break;
      case frameType.mark:
        this.#writer.write(frameType.mark, 0, 0, 0, 0, 0, []);
        break;
      case frameType.program:
        if (frame.flags === 1) this.#forgetProgram(frame.a);
        else this.#programs.set(frame.a, { text: frame.text(0), meanWaitMs: 0, quickSegments: 0 });
        break;
      case frameType.relieve:
        this.#pool?.discardLeastNeeded();
        break;
      case frameType.resize:
        this.#pool?.resize(frame.a, frame.b);
        void this.#preload();
        break;
      case frameType.configure:
        this.#configure(JSON.parse(frame.text(0)) as RunnerSettings);
        break;
      default:
        throw new RangeError(`unexpected frame of type ${frame.type}`);
    }
    const nowMs = performance.now();
    if (nowMs - this.#flushedMs > flushAfterMs) {
      this.#flush();
      this.#flushedMs = nowMs;
      if ((this.#announcement[0] as number) < 0) this.#announce(-++this.#quickStretches);
    }
  }

  #configure(settings: RunnerSettings): void {
    this.#settings = settings;
    const pool = new VmPool(settings, {
      expectedWaitMs: (vm, nowMs) => this.#expectedWaitMs(vm, nowMs),
      isClaimed: (vm, nowMs) => vm.returning.size > 0 && nowMs < vm.claimedUntilMs,
      evictAll: (vm) => this.#evictAll(vm),
    });
    this.#pool = pool;
    // One VM is enough to be ready.
    void pool.preloadOne().then(() => {
      this.#writer.write(frameType.ready, 0, 0, 0, 0, 0, []);
      this.#reportPool();
      this.#flush();
      return this.#preload();
    });
    setInterval(() => pool.cleanUp(performance.now()), settings.cleanupIntervalMs);
    setInterval(() => this.#reportPool(), 1000);
  }

  /** Keeps warm VMs in stock, one after the other; they are made in another thread, so that no request waits for it. */
  async #preload(): Promise<void> {
    const pool = this.#pool;
    if (pool === null || this.#isPreloading) return;
    this.#isPreloading = true;
    try {
      while (await pool.preloadOne()) this.#reportPool();
    } finally {
      this.#isPreloading = false;
    }
  }

  #forgetProgram(programId: number): void {
    this.#programs.delete(programId);
    this.#pool?.forget(programId);
  }

  #start(frame: Frame): void {
    const nowMs = performance.now();
    const order: StartOrder = {
      token: frame.run,
      programId: frame.a,
      careful: (frame.flags & startFlag.careful) !== 0,
      isReturning: (frame.flags & startFlag.returning) !== 0,
      deadlineMs: nowMs + frame.b,
      text: () => frame.wholeText(),
    };
    if (!(this.#pool as VmPool).isCrowded(order.programId, nowMs)) {
      this.#begin(order, nowMs);
      return;
    }
    const text = frame.wholeText();
    this.#held.push({ ...order, text: () => text });
    this.#heldTimer ??= setTimeout(() => this.#lookAtHeld(), heldAgainMs);
  }

  #lookAtHeld(): void {
    this.#heldTimer = null;
    this.#openBatch();
    this.#beginHeld();
    this.#closeBatch();
  }

  #beginHeld(): void {
    const pool = this.#pool as VmPool;
    while (this.#held.length > 0) {
      const nowMs = performance.now();
      if (pool.isCrowded((this.#held[0] as StartOrder).programId, nowMs)) {
        this.#heldTimer ??= setTimeout(() => this.#lookAtHeld(), heldAgainMs);
        return;
      }
      this.#begin(this.#held.shift() as StartOrder, nowMs);
    }
  }

  #begin({ token, programId, careful, isReturning, deadlineMs, text }: StartOrder, beganMs: number): void {
    const pool = this.#pool as VmPool;
    const program = this.#programs.get(programId);
    if (program === undefined) throw new RangeError(`program ${programId} was never sent`);
    let vm: Vm;
    let loadError = nothing;
    try {
      // A VM that has to be made first takes longer than most runs: that is nobody's doing, and nobody is announced meanwhile.
      vm = pool.acquire(programId, (unbound) => {
        this.#announceSegment(token, program, careful);
        loadError = unbound.load(program.text, loadTimeoutMs);
        void this.#preload();
        if (loadError !== nothing) throw new ProgramRefused();
      });
      this.#announceSegment(token, program, careful);
    } catch (error) {
      if (error instanceof ProgramRefused) this.#answerFailed(token, loadError);
      else if (error instanceof SegmentInterrupted) this.#sendLoss(token, reasonOf(error));
      else throw error;
      return;
    }
    const run: HostedRun = {
      vm,
      program,
      deadlineMs,
      careful,
      isReturning,
      isWaiting: false,
      waitsSinceMs: 0,
    };
    vm.runsStarted++;
    if (isReturning) vm.returning.add(token);
    const acquiredMs = performance.now();
    this.#execute(token, run, acquiredMs - beganMs, (timeoutMs) => vm.start(text(), timeoutMs));
  }

  #deliver(frame: Frame): void {
    const run = this.#runs.get(frame.run);
    if (run === undefined) return;
    const { program } = run;
    // What it is given again tells nothing of the wait that it once was.
    if ((frame.flags & deliverFlag.replay) === 0) {
      if (!run.isReturning) this.#learnWait(run, performance.now());
      run.isReturning = false;
      run.vm.returning.delete(frame.run);
    }
    this.#announceSegment(frame.run, program, run.careful);
    this.#execute(frame.run, run, 0, (timeoutMs) => run.vm.deliver(frame.wholeText(), timeoutMs));
  }

  /** Executes one segment and sends what came of it. */
  #execute(token: number, run: HostedRun, acquireMs: number, segment: (timeoutMs: number) => string): void {
    const settings = this.#settings as RunnerSettings;
    const beganMs = performance.now();
    const wallMs = run.deadlineMs - beganMs;
    // The CPU limit is the watchdog's, who reads CPU time: a wall timer alone would stop runs that were only descheduled. This timer
    // holds for the run's own wall time, and as a last resort for a CPU limit that nobody else enforces.
    const timeoutMs = Math.min(wallMs, 2 * settings.maxExecutionMs + 1000);
    const { program } = run;
    let answer: string;
    try {
      answer = segment(run.careful || program.quickSegments < quickSegmentsMin ? timeoutMs : noTimeout);
    } catch (error) {
      if (!(error instanceof SegmentInterrupted)) throw error;
      this.#lose(token, run.vm, this.#judge(error, wallMs, this.#cpuSince(beganMs)));
      return;
    }
    const endedMs = performance.now();
    const tookMs = endedMs - beganMs;
    if (tookMs < quickMs) {
      program.quickSegments++;
    } else {
      program.quickSegments = 0;
      this.#reportCpu(token, tookMs, this.#cpuSince(beganMs));
    }
    run.waitsSinceMs = endedMs;
    if (run.isReturning) run.vm.claimedUntilMs = endedMs + returningMs;
    if (!this.#sampleMemory(token, run.vm, tookMs, answer.length)) return;
    this.#report(token, run, answer, tookMs, acquireMs);
    const { vm } = run;
    if (vm.sampledShare > nearlyFull && vm.runs.size > 1) this.#evictOthers(token, vm);
    (this.#pool as VmPool).release(vm, endedMs);
  }

  /**
   * CPU time of this thread since a moment of this batch. It is read once a batch and after long segments, since that costs 3 us: what the
   * batch used before that moment is at most its wall time, so the result is rather too small.
   */
  #cpuSince(beganMs: number): number {
    const used = process.threadCpuUsage();
    const nowCpuMs = (used.user + used.system) / 1000;
    const cpuMs = Math.max(0, nowCpuMs - this.#batchCpuMs - (beganMs - this.#batchStartMs));
    this.#batchCpuMs = nowCpuMs;
    this.#batchStartMs = performance.now();
    return cpuMs;
  }

  #reportCpu(token: number, tookMs: number, cpuMs: number): void {
    this.#writer.write(frameType.cpu, 0, token, 0, 0, Math.min(tookMs, cpuMs), []);
  }

  /** Looks at the memory of a VM now and then. False when the run crossed the limit, and was ended. */
  #sampleMemory(token: number, vm: Vm, tookMs: number, answerSize: number): boolean {
    if (++vm.unsampledSegments < sampledSegments && tookMs < sampledAfterMs && answerSize < sampledAnswerSize)
      return true;
    vm.unsampledSegments = 0;
    vm.sampledShare = vm.memoryShare();
    if (vm.sampledShare <= 1) return true;
    this.#lose(token, vm, lossReason.memory);
    return false;
  }

  // ---- eviction -------------------------------------------------------------------------------------------------------------------

  #learnWait({ program, waitsSinceMs }: HostedRun, nowMs: number): void {
    const waitedMs = nowMs - waitsSinceMs;
    const isFirst = program.meanWaitMs === 0;
    program.meanWaitMs = isFirst ? waitedMs : program.meanWaitMs + (waitedMs - program.meanWaitMs) * waitRate;
  }

  /** Until the next result for the VM: what is left of the usual wait, or, once that is over, as long as it has lasted already. */
  #expectedWaitMs(vm: Vm, nowMs: number): number {
    const elapsedMs = nowMs - vm.lastUsedMs;
    const leftMs = (this.#programs.get(vm.programId)?.meanWaitMs ?? 0) - elapsedMs;
    return leftMs > 0 ? leftMs : elapsedMs;
  }

  /** The runs of the VM leave it; it is about to be disposed. */
  #evictAll(vm: Vm): void {
    for (const token of vm.runs) this.#sendEvicted(token);
    vm.runs.clear();
    vm.returning.clear();
  }

  /** What waits beside this run leaves the VM. */
  #evictOthers(token: number, vm: Vm): void {
    for (const other of [...vm.runs]) if (other !== token && !this.#evict(other, vm)) return;
  }

  /** The run leaves its VM, which goes on. False when the VM is gone. */
  #evict(token: number, vm: Vm): boolean {
    try {
      vm.drop(token);
    } catch (error) {
      if (!(error instanceof SegmentInterrupted)) throw error;
      this.#lose(token, vm, lossReason.lost);
      return false;
    }
    vm.returning.delete(token);
    this.#sendEvicted(token);
    return true;
  }

  #sendEvicted(token: number): void {
    this.#runs.delete(token);
    this.#writer.write(frameType.evicted, 0, token, 0, 0, 0, []);
  }

  /** Runs that have waited for long leave their VM where room is short. */
  #sweep(): void {
    this.#sweepTimer = null;
    const pool = this.#pool as VmPool;
    const beganMs = performance.now();
    const isHalfFull = pool.isHalfFull;
    let isOver = true;
    for (const [token, { vm, waitsSinceMs }] of this.#runs) {
      if (beganMs - waitsSinceMs < longWaitMs || !(isHalfFull || vm.sampledShare > halfFull)) continue;
      if (this.#evict(token, vm)) pool.release(vm, vm.lastUsedMs);
      if (performance.now() - beganMs < sweepBudgetMs) continue;
      isOver = false;
      break;
    }
    this.#flush();
    if (this.#runs.size > 0)
      this.#sweepTimer = setTimeout(() => this.#sweep(), isOver ? sweepIntervalMs : sweepAgainMs);
  }

  /** Why a stopped segment was stopped. One that was only descheduled for long is not guilty: it is run again. */
  #judge(error: SegmentInterrupted, wallMs: number, cpuMs: number): number {
    if (error.interruption !== 'timeout') return reasonOf(error);
    const { maxExecutionMs } = this.#settings as RunnerSettings;
    if (cpuMs >= maxExecutionMs) return lossReason.cpuLimit;
    return wallMs <= 2 * maxExecutionMs + 1000 ? lossReason.timedOut : lossReason.interrupted;
  }

  /** The run's VM is gone: it ends for `reason`, every other run in that VM must go on elsewhere. */
  #lose(token: number, vm: Vm, reason: number): void {
    for (const other of vm.runs) {
      this.#runs.delete(other);
      if (other !== token) this.#sendLoss(other, lossReason.lost);
    }
    vm.runs.clear();
    this.#sendLoss(token, reason);
    (this.#pool as VmPool).discard(vm);
  }

  #drop(token: number): void {
    const run = this.#runs.get(token);
    if (run === undefined) {
      this.#held = this.#held.filter((order) => order.token !== token);
      return;
    }
    this.#runs.delete(token);
    run.vm.returning.delete(token);
    try {
      run.vm.drop(token);
      (this.#pool as VmPool).release(run.vm, run.vm.lastUsedMs);
    } catch (error) {
      if (!(error instanceof SegmentInterrupted)) throw error;
      this.#lose(token, run.vm, lossReason.lost);
    }
  }

  /** Turns the kernel's answer (see `guest/kernel.ts`) into a frame. */
  #report(token: number, run: HostedRun, answer: string, durationMs: number, acquireMs: number): void {
    const headEnd = answer.indexOf('\n');
    const head = answer.slice(0, headEnd).split(' ');
    const sizes = head.map(Number);
    let at = headEnd + 1;
    const take = (size: number): string => {
      const text = answer.slice(at, at + size);
      at += size;
      return text;
    };
    const durationUs = Math.round(durationMs * 1000);
    const acquireUs = Math.round(acquireMs * 1000);
    switch (head[0]) {
      case 'E': {
        this.#forgetRun(token, run);
        const headers = take(sizes[3] as number);
        const output = take(sizes[4] as number);
        const error = take(sizes[5] as number);
        const trace = take(sizes[6] as number);
        const logs = take(sizes[7] as number);
        const effects = take(sizes[8] as number);
        const flags = sizes[1] === 1 ? endFlag.failed : 0;
        const parts = [headers, output, error, trace, logs, effects];
        this.#writer.write(frameType.end, flags, token, sizes[2] as number, durationUs, acquireUs, parts);
        break;
      }
      case 'S':
        this.#keepRun(token, run);
        this.#writer.write(frameType.segment, 0, token, 0, durationUs, acquireUs, [
          take(sizes[1] as number),
          take(sizes[2] as number),
          take(sizes[3] as number),
        ]);
        break;
      case 'B':
        this.#forgetRun(token, run);
        this.#writer.write(frameType.badBody, 0, token, 0, 0, 0, [answer.slice(at)]);
        break;
      default:
        this.#lose(token, run.vm, lossReason.lost);
    }
  }

  #answerFailed(token: number, errorJson: string): void {
    this.#writer.write(frameType.end, endFlag.failed, token, 0, 0, 0, [
      nothing,
      nothing,
      errorJson,
      '[]',
      nothing,
      nothing,
    ]);
  }

  #keepRun(token: number, run: HostedRun): void {
    if (run.isWaiting) return;
    run.isWaiting = true;
    this.#runs.set(token, run);
    run.vm.runs.add(token);
    this.#sweepTimer ??= setTimeout(() => this.#sweep(), sweepIntervalMs);
  }

  #forgetRun(token: number, run: HostedRun): void {
    run.vm.returning.delete(token);
    if (!run.isWaiting) return;
    this.#runs.delete(token);
    run.vm.runs.delete(token);
  }

  #sendLoss(token: number, reason: number): void {
    this.#writer.write(frameType.loss, 0, token, reason, 0, 0, []);
  }

  #reportPool(): void {
    const stats = (this.#pool as VmPool).stats();
    const text = `${stats.size} ${stats.inUse} ${stats.createdTotal}`;
    if (text === this.#reportedStats) return;
    this.#reportedStats = text;
    this.#writer.write(frameType.pool, 0, 0, stats.size, stats.inUse, stats.createdTotal, []);
    this.#flush();
  }
}

class ProgramRefused extends Error {}

function reasonOf(error: SegmentInterrupted): number {
  switch (error.interruption) {
    case 'memory':
      return lossReason.memory;
    case 'timeout':
      return lossReason.timedOut;
    case 'broken':
      return lossReason.lost;
  }
}
