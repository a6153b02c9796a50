import type { Config } from '../config/config.ts';
import type { Frame } from '../protocol/frames.ts';
import type { GuestLimits } from '../protocol/program.ts';
import { DescriptorReserve } from './descriptor-reserve.ts';
import type { RunnerLauncher } from './isolation/runner-launcher.ts';
import type { Lane } from './lane.ts';
import { lowPriority, normalPriority, setProcessPriority } from './os-priority.ts';
import { defaultGroup, RunnerGroup } from './runner-group.ts';
import { RunnerProcess } from './runner-process.ts';
import { divideVms, type RunnerRole, type VmShare } from './vm-shares.ts';

export interface FleetOptions {
  launcher: RunnerLauncher;
  vmPool: Config['vmPool'];
  fastRunners: number;
  /** 0: one lane, without a spare. */
  slowRunners: number;
  limits: GuestLimits;
  log: { warn(message: string): void };
  /** Tells the supervisor which processes to clean up when this one dies. */
  onRunners?: (pids: number[]) => void;
  onFrame(runner: RunnerProcess, frame: Frame): void;
  onRead(runner: RunnerProcess): void;
  /** A runner ended; what it had is to be lost before the lane goes on. */
  onGone(runner: RunnerProcess): void;
  /** The lane has a runner more. */
  onJoined(lane: Lane): void;
}

/** Runners that end before they were ready, in a row, before the next one is started with a growing delay: something is broken. */
const failedStartsMax = 5;
const restartDelayMaxMs = 5000;
/** The spare and the slow lane are started one after the other, this long after the first runner is up: first come the first requests. */
const completeAfterMs = 300;
/** A runner that left the fast lane may come back as the spare within this time; then another one is started. */
const spareAfterMs = 1000;
/** Trust groups beside the default one that have runners at the same time. */
const groupsMax = 32;

interface Member {
  role: RunnerRole;
  /** Whose workflows it has executed, or will; null for a spare that has executed none. */
  group: RunnerGroup | null;
  share: VmShare | null;
  /** Left the fast lane with a long segment: it finishes what it has and takes nothing new. */
  isLeaving: boolean;
}

/**
 * The runner processes of a gateway and what each is for.
 *
 *                 ┌────────── comes back when it has finished ────────────┐
 *                 ▼                                                       │
 *   starting ─► spare ──(a fast runner is held up, or died)──► fast ──(held up)──► leaving ──► ended
 *   starting ─► fast                  starting ─► slow
 *
 * A runner is replaced when it ends. A fast one that is held up by a long segment hands its lane to the spare and goes on as a slow one.
 */
export class RunnerFleet {
  readonly #options: FleetOptions;
  readonly #members = new Map<RunnerProcess, Member>();
  readonly #quarantines = new Set<RunnerProcess>();
  /** Dismissed, and not gone yet: a run that was dropped may still hold one of them up. */
  readonly #ending = new Set<RunnerProcess>();
  readonly #groups = new Map<string, RunnerGroup>();
  readonly #delays = new Set<NodeJS.Timeout>();
  readonly #events = {
    onFrame: (runner: RunnerProcess, frame: Frame): void => this.#options.onFrame(runner, frame),
    onRead: (runner: RunnerProcess): void => this.#options.onRead(runner),
    onExit: (runner: RunnerProcess, how: string): void => this.#onExit(runner, how),
  };
  #failedStarts = 0;
  #spareDueMs = Number.POSITIVE_INFINITY;
  #isComplete = false;
  #closing = false;
  restartsTotal = 0;
  killedTotal = 0;
  handoffsTotal = 0;
  /** VMs made by runners that are gone. */
  vmCreatedBefore = 0;

  readonly #reserve = new DescriptorReserve();

  constructor(options: FleetOptions) {
    this.#options = options;
    const group = this.group(defaultGroup);
    for (let i = 0; i < options.fastRunners; i++) this.#spawn('fast', group);
  }

  /** The lanes of a trust group. */
  group(name: string): RunnerGroup {
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const group = new RunnerGroup(name, performance.now());
    this.#groups.set(name, group);
    return group;
  }

  get groups(): Iterable<RunnerGroup> {
    return this.#groups.values();
  }

  /** All processes that are up, starting or ending. */
  get runners(): RunnerProcess[] {
    return [...this.#members.keys(), ...this.#quarantines, ...this.#ending].filter((runner) => !runner.hasExited);
  }

  /** How many there are of each kind. */
  count(role: RunnerRole): number {
    let count = 0;
    for (const [runner, member] of this.#members) if (member.role === role && !runner.hasExited) count++;
    return count;
  }

  get quarantined(): number {
    return this.#quarantines.size;
  }

  /** Null when the system has no process or no open file for it, and while everything ends. */
  quarantine(): RunnerProcess | null {
    if (this.#closing) return null;
    let runner: RunnerProcess;
    try {
      runner = this.#launch({ maxSize: 1, preloadSize: 1 }, true);
    } catch (error) {
      this.#options.log.warn(`no runner could be started for a suspected run: ${(error as Error).message}`);
      return null;
    }
    this.#quarantines.add(runner);
    this.#report();
    return runner;
  }

  /** A group other than the default one gets its runners when it has work; when there are too many groups, from one that has none. */
  ensure(group: RunnerGroup): void {
    if (group.isDefault || this.#closing || this.#has('fast', group)) return;
    const others = [...this.#groups.values()].filter((other) => !other.isDefault && this.#has('fast', other));
    if (others.length >= groupsMax) {
      const idle = others.filter((other) => other.isIdle).sort((left, right) => left.lastUsedMs - right.lastUsedMs)[0];
      // Its runs wait, and are refused when they have waited for too long.
      if (idle === undefined) return;
      this.#dissolve(idle);
    }
    this.#attempt(() => {
      if (!this.#has('fast', group)) this.#fill('fast', group);
    });
  }

  /** Work for the slow lane of a group that has none. */
  ensureSlow(group: RunnerGroup): void {
    if (group.isDefault || this.#closing || this.#options.slowRunners === 0) return;
    this.#attempt(() => {
      if (!this.#has('slow', group)) this.#spawn('slow', group);
    });
  }

  onReady(runner: RunnerProcess): void {
    const member = this.#members.get(runner);
    runner.isReady = true;
    if (member === undefined || this.#closing) return;
    this.#failedStarts = 0;
    if (member.role !== 'spare') this.#join(runner, member);
    if (!this.#isComplete) {
      this.#isComplete = true;
      this.#later(completeAfterMs, () => this.#complete());
    } else if (member.role !== 'fast') {
      this.#complete();
    }
  }

  /**
   * Takes a runner that is held up by a long segment out of the fast lane and puts the spare there. False when no spare is ready: then
   * nothing has changed.
   */
  handOff(runner: RunnerProcess): boolean {
    const member = this.#members.get(runner);
    const group = member?.group ?? null;
    if (member === undefined || group === null || member.role !== 'fast' || member.isLeaving) return false;
    const spare = this.#readySpare(group);
    if (spare === null) return false;
    this.handoffsTotal++;
    this.#leave(runner);
    member.isLeaving = true;
    member.role = 'slow';
    setProcessPriority(runner.pid, lowPriority);
    runner.lane = group.slow;
    this.#promote(spare, group);
    return true;
  }

  /** Whether the runner takes nothing new and is to be emptied. */
  isLeaving(runner: RunnerProcess): boolean {
    return this.#members.get(runner)?.isLeaving === true;
  }

  /** A runner that left the fast lane has nothing left to do. */
  settle(runner: RunnerProcess): void {
    const member = this.#members.get(runner);
    if (member === undefined || !member.isLeaving || runner.hasExited) return;
    member.isLeaving = false;
    const isSpareMissing = this.count('spare') === 0;
    if (isSpareMissing && setProcessPriority(runner.pid, normalPriority)) {
      runner.lane = null;
      member.role = 'spare';
      this.#divide();
      return;
    }
    this.#dismiss(runner);
  }

  /** Called every few tens of milliseconds. */
  tick(nowMs: number): void {
    if (this.#closing) return;
    if (nowMs > this.#spareDueMs) this.#complete();
    for (const group of this.#groups.values()) {
      if (!group.isDefault && group.isIdle && nowMs - group.lastUsedMs > this.#options.vmPool.idleTimeoutMs)
        this.#dissolve(group);
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#reserve.close();
    for (const delay of this.#delays) clearTimeout(delay);
    const { runners } = this;
    for (const runner of runners) runner.close();
    await new Promise<void>((resolve) => {
      const deadline = setTimeout(() => {
        for (const runner of runners) runner.kill('closing');
      }, 1000);
      const check = setInterval(() => {
        if (runners.some((runner) => !runner.hasExited)) return;
        clearInterval(check);
        clearTimeout(deadline);
        resolve();
      }, 10);
    });
  }

  #launch(share: VmShare, quarantine: boolean): RunnerProcess {
    const { vmPool, limits } = this.#options;
    const settings = {
      limits,
      maxMemoryMiB: vmPool.maxMemoryMiB,
      ...share,
      idleTimeoutMs: vmPool.idleTimeoutMs,
      cleanupIntervalMs: vmPool.cleanupIntervalMs,
      recycleAfterRuns: vmPool.recycleAfterRuns,
      maxExecutionMs: vmPool.maxExecutionMs,
    };
    return this.#reserve.use(() => new RunnerProcess(this.#options.launcher, settings, quarantine, this.#events));
  }

  #spawn(role: RunnerRole, group: RunnerGroup | null): RunnerProcess {
    const share = divideVms([...this.#roles(), role], this.#options.vmPool)[role];
    const runner = this.#launch(share, false);
    this.#members.set(runner, { role, group, share, isLeaving: false });
    this.#divide();
    this.#report();
    return runner;
  }

  /** A runner for this place: the spare when it is ready, else a new one. */
  #fill(role: RunnerRole, group: RunnerGroup): void {
    const spare = role === 'fast' ? this.#readySpare(group) : null;
    if (spare === null) this.#spawn(role, group);
    else this.#promote(spare, group);
  }

  #promote(spare: RunnerProcess, group: RunnerGroup): void {
    const member = this.#members.get(spare) as Member;
    member.role = 'fast';
    member.group = group;
    this.#spareDueMs = performance.now() + spareAfterMs;
    this.#divide();
    this.#join(spare, member);
  }

  #join(runner: RunnerProcess, member: Member): void {
    const group = member.group as RunnerGroup;
    const lane = member.role === 'fast' ? group.fast : group.slow;
    // Now, and not when it was started: then it would be long in coming exactly when it is needed, and has all its threads now.
    if (member.role === 'slow') setProcessPriority(runner.pid, lowPriority);
    runner.lane = lane;
    lane.runners.push(runner);
    this.#options.onJoined(lane);
  }

  #leave(runner: RunnerProcess): void {
    const runners = runner.lane?.runners ?? [];
    const at = runners.indexOf(runner);
    if (at >= 0) runners.splice(at, 1);
  }

  #readySpare(group: RunnerGroup): RunnerProcess | null {
    for (const [runner, member] of this.#members) {
      if (member.role !== 'spare' || !runner.isReady || runner.hasExited) continue;
      if (member.group === null || member.group === group) return runner;
    }
    return null;
  }

  #has(role: RunnerRole, group: RunnerGroup): boolean {
    for (const [, member] of this.#members)
      if (member.role === role && member.group === group && !member.isLeaving) return true;
    return false;
  }

  /** The system may have no process or no open file left: that passes, and is no reason to end. */
  #attempt(start: () => void): void {
    try {
      start();
    } catch (error) {
      this.#options.log.warn(`a runner could not be started: ${(error as Error).message}; it is tried again`);
      this.#later(restartDelayMaxMs, () => this.#attempt(start));
    }
  }

  /** Starts the next process that is missing. */
  #complete(): void {
    this.#attempt(() => this.#startMissing());
  }

  #startMissing(): void {
    const { slowRunners } = this.#options;
    if (this.#closing || slowRunners === 0) return;
    const group = this.group(defaultGroup);
    let slow = 0;
    let isStarting = false;
    for (const [runner, member] of this.#members) {
      if (member.role === 'slow' && member.group === group && !member.isLeaving) slow++;
      isStarting ||= member.role !== 'fast' && !runner.isReady;
    }
    if (isStarting) return;
    if (this.count('spare') === 0) {
      this.#spareDueMs = Number.POSITIVE_INFINITY;
      this.#spawn('spare', null);
    } else if (slow < slowRunners) {
      this.#spawn('slow', group);
    }
  }

  #onExit(runner: RunnerProcess, how: string): void {
    this.vmCreatedBefore += runner.pool.createdTotal;
    const { killReason } = runner;
    if (killReason !== null && killReason !== 'closing') this.killedTotal++;
    this.#quarantines.delete(runner);
    this.#ending.delete(runner);
    const member = this.#members.get(runner);
    this.#remove(runner);
    this.#options.onGone(runner);
    if (member !== undefined && !this.#closing && killReason !== 'closing') this.#replace(runner, member, how);
    this.#report();
  }

  #remove(runner: RunnerProcess): void {
    this.#leave(runner);
    if (this.#members.delete(runner)) this.#divide();
  }

  #replace(runner: RunnerProcess, member: Member, how: string): void {
    this.#failedStarts = runner.isReady ? 0 : this.#failedStarts + 1;
    const why =
      runner.killReason === null
        ? `${how}${runner.lastWords === '' ? '' : `, "${runner.lastWords.slice(0, 200)}"`}`
        : `stopped by the watchdog: ${runner.killReason}`;
    const { role, group, isLeaving } = member;
    this.#options.log.warn(`runner ${runner.pid} ended (${why})${isLeaving ? '' : '; starting another'}`);
    const again = (): void => {
      if (role === 'spare' || group === null) this.#complete();
      else this.#attempt(() => this.#fill(role, group));
    };
    // Its place was taken when it left.
    if (isLeaving) return;
    this.restartsTotal++;
    if (this.#failedStarts < failedStartsMax) again();
    else this.#later(Math.min(restartDelayMaxMs, 50 * 2 ** (this.#failedStarts - failedStartsMax)), again);
  }

  #dissolve(group: RunnerGroup): void {
    for (const [runner, member] of this.#members) {
      if (member.group !== group) continue;
      this.#dismiss(runner);
    }
  }

  #dismiss(runner: RunnerProcess): void {
    this.#remove(runner);
    this.#ending.add(runner);
    runner.close();
  }

  #roles(): RunnerRole[] {
    return [...this.#members.values()].map(({ role }) => role);
  }

  /** Tells each runner its share of the pool, where it has changed. */
  #divide(): void {
    const shares = divideVms(this.#roles(), this.#options.vmPool);
    for (const [runner, member] of this.#members) {
      const share = shares[member.role];
      if (member.share?.maxSize === share.maxSize && member.share.preloadSize === share.preloadSize) continue;
      member.share = share;
      runner.resize(share.maxSize, share.preloadSize);
    }
  }

  #later(delayMs: number, act: () => void): void {
    const delay = setTimeout(() => {
      this.#delays.delete(delay);
      if (!this.#closing) act();
    }, delayMs);
    this.#delays.add(delay);
  }

  #report(): void {
    queueMicrotask(() => this.#options.onRunners?.(this.runners.map(({ pid }) => pid)));
  }
}
