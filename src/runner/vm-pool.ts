import { Vm, type VmOptions } from './vm.ts';

export interface VmPoolOptions extends VmOptions {
  /** VMs in this runner at most. */
  maxSize: number;
  /** Unbound VMs kept warm. */
  preloadSize: number;
  /** An idle bound VM is disposed after this long. */
  idleTimeoutMs: number;
  recycleAfterRuns: number;
}

/** What the pool asks of its runner. */
export interface VmPoolHost {
  /** How much longer the runs that wait in a VM are expected to wait, ms. */
  expectedWaitMs(vm: Vm, nowMs: number): number;
  /** A run in it has come back and was not given yet what it came for: to put it out now would be to lose that way for nothing. */
  isClaimed(vm: Vm, nowMs: number): boolean;
  /** The VM is wanted for something else: its runs have to leave it. Afterwards it has none. */
  evictAll(vm: Vm): void;
}

export interface VmPoolStats {
  size: number;
  /** VMs that hold an unfinished run. */
  inUse: number;
  createdTotal: number;
}

interface BoundVms {
  /** VMs of one program that take new runs: the last one is used first. */
  open: Vm[];
}

/** Above this share of its memory a VM takes no new runs, and the pool counts as half full. */
export const halfFull = 0.5;
/** Above this share of its memory a VM keeps one run only, and one that is empty is thrown away. */
export const nearlyFull = 0.75;

const takesRun = (vm: Vm): boolean => vm.takesRun;

/** Nobody to evict: for a pool on its own. */
const lonely: VmPoolHost = { expectedWaitMs: () => 0, isClaimed: () => false, evictAll: () => {} };

/**
 * The VMs of one runner. A VM is unbound (warm, without a program) or bound to one program; several runs of that program may be
 * unfinished in it while they wait for effects. One segment executes at a time, so `acquire` never waits in here:
 *
 *   acquire(program):  an open VM of the program → a warm unbound one → a new one below maxSize → the least recently used idle one is
 *                      disposed and replaced → of the VMs in which runs wait, the one that is expected to be needed last
 *   release(vm):       after a segment; a VM that had its fill of runs or of memory is retired once it is empty
 *
 * A waiting run pins nothing: it can leave its VM and come back by replay. Only one that has just come back is left there until it was
 * given what it came for: `isCrowded` tells when nothing else is left to take.
 */
export class VmPool {
  readonly #options: VmPoolOptions;
  readonly #host: VmPoolHost;
  readonly #unbound: Vm[] = [];
  readonly #bound = new Map<number, BoundVms>();
  /** All VMs, bound or not: insertion order is not use order. */
  readonly #all = new Set<Vm>();
  #maxSize: number;
  #preloadSize: number;
  #preparing = 0;
  #createdTotal = 0;

  constructor(options: VmPoolOptions, host: VmPoolHost = lonely) {
    this.#options = options;
    this.#host = host;
    this.#maxSize = options.maxSize;
    this.#preloadSize = options.preloadSize;
  }

  /** A VM bound to the program. `bind` gives an unbound VM its program; what it throws comes out, and the VM is gone. */
  acquire(programId: number, bind: (vm: Vm) => void): Vm {
    const bound = this.#bound.get(programId);
    if (bound !== undefined) {
      const last = bound.open[bound.open.length - 1];
      if (last?.takesRun === true) return last;
      const other = bound.open.find(takesRun);
      if (other !== undefined) return other;
    }
    const vm = this.#unbound.pop() ?? this.#createOrReplace();
    vm.programId = programId;
    try {
      bind(vm);
    } catch (error) {
      this.discard(vm);
      throw error;
    }
    // Replacing a VM may have been the end of the program's last one.
    const now = this.#bound.get(programId);
    if (now === undefined) this.#bound.set(programId, { open: [vm] });
    else now.open.push(vm);
    return vm;
  }

  /** True when a VM for the program can only be had from a run that has just come back: then `acquire` is to be called later. */
  isCrowded(programId: number, nowMs: number): boolean {
    if (this.#unbound.length > 0 || this.#all.size + this.#preparing < this.#maxSize) return false;
    if (this.#bound.get(programId)?.open.some(takesRun) === true) return false;
    for (const vm of this.#all) if (vm.runs.size === 0 || !this.#host.isClaimed(vm, nowMs)) return false;
    return this.#all.size > 0;
  }

  /** After a segment: closes a VM that has had its fill, disposes it when its last run is over. */
  release(vm: Vm, nowMs: number): void {
    vm.lastUsedMs = nowMs;
    if (vm.isClosed || vm.runsStarted >= this.#options.recycleAfterRuns || vm.sampledShare > halfFull) this.#retire(vm);
  }

  /** Takes the VM out of the pool and disposes it. */
  discard(vm: Vm): void {
    this.#close(vm);
    this.#all.delete(vm);
    vm.dispose();
  }

  /** Creates one warm VM, in another thread, when fewer than `preloadSize` are unbound. Returns whether it did. */
  async preloadOne(): Promise<boolean> {
    if (!this.#wantsAnother) return false;
    this.#preparing++;
    let vm: Vm;
    try {
      vm = await Vm.prepare(this.#options);
    } finally {
      this.#preparing--;
    }
    // Requests went first meanwhile: the place may be taken.
    if (!this.#wantsAnother) {
      vm.dispose();
      return false;
    }
    this.#createdTotal++;
    this.#all.add(vm);
    this.#unbound.push(vm);
    return true;
  }

  /** The pool's share of the server's VMs has changed. What is too much goes as soon as it is idle. */
  resize(maxSize: number, preloadSize: number): void {
    this.#maxSize = maxSize;
    this.#preloadSize = preloadSize;
    while (this.#unbound.length > preloadSize && this.#all.size > maxSize) this.discard(this.#unbound.pop() as Vm);
    while (this.#all.size > maxSize && this.discardOldest());
  }

  /** Disposes bound VMs that have been idle for too long. */
  cleanUp(nowMs: number): void {
    for (const vm of this.#all) {
      if (vm.programId !== 0 && vm.runs.size === 0 && nowMs - vm.lastUsedMs > this.#options.idleTimeoutMs)
        this.discard(vm);
    }
  }

  /** Disposes the least recently used idle VM; false when there is none. */
  discardOldest(): boolean {
    const oldest = this.#oldestIdle();
    if (oldest !== null) this.discard(oldest);
    return oldest !== null;
  }

  /** Disposes the VM that is expected to be needed last: an idle one, or else one in which runs wait. */
  discardLeastNeeded(): void {
    if (!this.discardOldest()) this.#discardWaiting();
  }

  /** Closes the VMs of a program that is gone; those with unfinished runs end with them. */
  forget(programId: number): void {
    for (const vm of [...(this.#bound.get(programId)?.open ?? [])]) {
      if (vm.runs.size === 0) this.discard(vm);
      else this.#close(vm);
    }
    this.#bound.delete(programId);
  }

  /** More than half of the VMs that there may be hold unfinished runs. */
  get isHalfFull(): boolean {
    return this.#all.size > this.#maxSize * halfFull && this.stats().inUse > this.#maxSize * halfFull;
  }

  stats(): VmPoolStats {
    let inUse = 0;
    for (const vm of this.#all) if (vm.runs.size > 0) inUse++;
    return { size: this.#all.size, inUse, createdTotal: this.#createdTotal };
  }

  get #wantsAnother(): boolean {
    const unbound = this.#unbound.length + this.#preparing;
    return unbound < this.#preloadSize && this.#all.size + this.#preparing < this.#maxSize;
  }

  #retire(vm: Vm): void {
    // Memory that no run holds is garbage, which the isolate collects itself, unless it is nearly full of it.
    const isOnlyGarbage = vm.runs.size === 0 && vm.sampledShare <= nearlyFull;
    if (isOnlyGarbage && !vm.isClosed && vm.runsStarted < this.#options.recycleAfterRuns) return;
    this.#close(vm);
    if (vm.runs.size === 0) this.discard(vm);
  }

  #close(vm: Vm): void {
    vm.isClosed = true;
    const bound = this.#bound.get(vm.programId);
    const at = bound?.open.indexOf(vm) ?? -1;
    if (bound === undefined || at < 0) return;
    bound.open.splice(at, 1);
    if (bound.open.length === 0) this.#bound.delete(vm.programId);
  }

  #createOrReplace(): Vm {
    if (this.#all.size + this.#preparing >= this.#maxSize && !this.discardOldest()) this.#discardWaiting();
    this.#createdTotal++;
    const vm = new Vm(this.#options);
    this.#all.add(vm);
    return vm;
  }

  #oldestIdle(): Vm | null {
    let oldest: Vm | null = null;
    for (const vm of this.#all) {
      if (vm.programId === 0 || vm.runs.size > 0) continue;
      if (oldest === null || vm.lastUsedMs < oldest.lastUsedMs) oldest = vm;
    }
    return oldest;
  }

  /** Empties and disposes the VM whose runs are expected to wait longest. None: the one VM that is being prepared will be too many. */
  #discardWaiting(): void {
    const nowMs = performance.now();
    let last: Vm | null = null;
    let lastMs = -1;
    for (const vm of this.#all) {
      if (vm.runs.size === 0) continue;
      const waitMs = this.#host.isClaimed(vm, nowMs) ? 0 : this.#host.expectedWaitMs(vm, nowMs);
      if (waitMs > lastMs) [last, lastMs] = [vm, waitMs];
    }
    if (last === null) return;
    this.#host.evictAll(last);
    this.discard(last);
  }
}
