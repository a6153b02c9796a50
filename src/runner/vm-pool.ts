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

/**
 * The VMs of one runner. A VM is unbound (warm, without a program) or bound to one program; several runs of that program may be
 * unfinished in it while they wait for effects. One segment executes at a time, so `acquire` never waits in here:
 *
 *   acquire(program):  an open VM of the program → a warm unbound one → a new one below maxSize → the least recently used idle one is
 *                      disposed and replaced → null: every VM holds unfinished runs
 *   release(vm):       after a segment; a VM that had its fill of runs is retired once it is empty
 */
export class VmPool {
  readonly #options: VmPoolOptions;
  readonly #unbound: Vm[] = [];
  readonly #bound = new Map<number, BoundVms>();
  /** All VMs, bound or not: insertion order is not use order. */
  readonly #all = new Set<Vm>();
  #createdTotal = 0;

  constructor(options: VmPoolOptions) {
    this.#options = options;
  }

  /** A VM bound to the program, or null when all are taken. `bind` gives an unbound VM its program. */
  acquire(programId: number, bind: (vm: Vm) => void): Vm | null {
    const bound = this.#bound.get(programId);
    if (bound !== undefined && bound.open.length > 0) return bound.open[bound.open.length - 1] as Vm;
    const vm = this.#unbound.pop() ?? this.#createOrReplace();
    if (vm === null) return null;
    vm.programId = programId;
    try {
      bind(vm);
    } catch (error) {
      this.discard(vm);
      throw error;
    }
    if (bound === undefined) this.#bound.set(programId, { open: [vm] });
    else bound.open.push(vm);
    return vm;
  }

  /** After a segment: closes a VM that has had its fill, disposes it when its last run is over. */
  release(vm: Vm, nowMs: number): void {
    vm.lastUsedMs = nowMs;
    if (vm.runsStarted >= this.#options.recycleAfterRuns) {
      this.#close(vm);
      if (vm.runs.size === 0) this.discard(vm);
    }
  }

  /** Takes the VM out of the pool and disposes it. */
  discard(vm: Vm): void {
    this.#close(vm);
    this.#all.delete(vm);
    vm.dispose();
  }

  /** Creates one warm VM when fewer than `preloadSize` are unbound. Returns whether it did. */
  preloadOne(): boolean {
    if (this.#unbound.length >= this.#options.preloadSize || this.#all.size >= this.#options.maxSize) return false;
    this.#unbound.push(this.#create());
    return true;
  }

  /** Disposes bound VMs that have been idle for too long. */
  cleanUp(nowMs: number): void {
    for (const vm of this.#all) {
      if (vm.programId !== 0 && vm.runs.size === 0 && nowMs - vm.lastUsedMs > this.#options.idleTimeoutMs)
        this.discard(vm);
    }
  }

  /** Closes the VMs of a program that is gone; those with unfinished runs end with them. */
  forget(programId: number): void {
    for (const vm of [...(this.#bound.get(programId)?.open ?? [])]) {
      if (vm.runs.size === 0) this.discard(vm);
      else this.#close(vm);
    }
    this.#bound.delete(programId);
  }

  stats(): VmPoolStats {
    let inUse = 0;
    for (const vm of this.#all) if (vm.runs.size > 0) inUse++;
    return { size: this.#all.size, inUse, createdTotal: this.#createdTotal };
  }

  #close(vm: Vm): void {
    const bound = this.#bound.get(vm.programId);
    const at = bound?.open.indexOf(vm) ?? -1;
    if (bound === undefined || at < 0) return;
    bound.open.splice(at, 1);
    if (bound.open.length === 0) this.#bound.delete(vm.programId);
  }

  #createOrReplace(): Vm | null {
    if (this.#all.size < this.#options.maxSize) return this.#create();
    let oldest: Vm | null = null;
    for (const vm of this.#all) {
      if (vm.runs.size === 0 && (oldest === null || vm.lastUsedMs < oldest.lastUsedMs)) oldest = vm;
    }
    if (oldest === null) return null;
    this.discard(oldest);
    return this.#create();
  }

  #create(): Vm {
    const vm = new Vm(this.#options);
    this.#all.add(vm);
    this.#createdTotal++;
    return vm;
  }
}
