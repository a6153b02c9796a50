import ivm from 'isolated-vm';
import { kernelSource } from '../guest/source.ts';
import type { GuestLimits } from '../protocol/program.ts';

export interface VmOptions {
  limits: GuestLimits;
  maxMemoryMiB: number;
}

/** Why a segment did not come back with an answer. Told by what was done to the VM, never by the text of a message. */
export type Interruption = 'timeout' | 'memory' | 'broken';

/** Thrown by a VM whose segment was stopped: the VM is disposed, every run in it must go on elsewhere. */
export class SegmentInterrupted extends Error {
  readonly interruption: Interruption;
  constructor(interruption: Interruption, cause: unknown) {
    super(`the segment was stopped: ${interruption}`, { cause });
    this.interruption = interruption;
  }
}

/** For a call that only the watchdog bounds. */
export const noTimeout = Number.POSITIVE_INFINITY;

type KernelFunction = ivm.Reference<(...given: (string | number)[]) => string>;

/**
 * One isolate with a hardened realm and a kernel. Unbound until `load` gives it a program; bound to that program for life.
 * Only strings and numbers cross, in both directions; the references to the kernel's functions stay on this side.
 */
export class Vm {
  readonly #isolate: ivm.Isolate;
  readonly #load: KernelFunction;
  readonly #start: KernelFunction;
  readonly #deliver: KernelFunction;
  readonly #drain: KernelFunction;
  readonly #drop: KernelFunction;
  /** Unfinished runs. */
  readonly runs = new Set<number>();
  runsStarted = 0;
  lastUsedMs = 0;
  programId = 0;
  #disposed = false;

  constructor(options: VmOptions) {
    this.#isolate = new ivm.Isolate({ memoryLimit: options.maxMemoryMiB });
    const context = this.#isolate.createContextSync();
    const kernel = context.evalSync(kernelSource(options.limits), {
      reference: true,
      filename: 'nflow/kernel',
    }) as ivm.Reference;
    const take = (name: string): KernelFunction => kernel.getSync(name, { reference: true }) as KernelFunction;
    this.#load = take('load');
    this.#start = take('start');
    this.#deliver = take('deliver');
    this.#drain = take('drain');
    this.#drop = take('drop');
    kernel.release();
  }

  get isDisposed(): boolean {
    return this.#disposed || this.#isolate.isDisposed;
  }

  /** Compiles the program into this VM. Returns '' or the error as JSON text. */
  load(programText: string, timeoutMs: number): string {
    return this.#call(this.#load, [programText], timeoutMs);
  }

  /** Runs a run's first segment. `packed` is what `protocol/crossing.ts` makes. */
  start(packed: string, timeoutMs: number): string {
    const answer = this.#call(this.#start, [packed], timeoutMs);
    return answer === '' ? this.#call(this.#drain, [], timeoutMs) : answer;
  }

  /** Delivers a result, which runs one segment. */
  deliver(packed: string, timeoutMs: number): string {
    const answer = this.#call(this.#deliver, [packed], timeoutMs);
    return answer === '' ? this.#call(this.#drain, [], timeoutMs) : answer;
  }

  drop(run: number): void {
    if (this.runs.delete(run) && !this.isDisposed) this.#call(this.#drop, [run], 1000);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (!this.#isolate.isDisposed) this.#isolate.dispose();
  }

  #call(kernelFunction: KernelFunction, given: (string | number)[], timeoutMs: number): string {
    const beganMs = performance.now();
    try {
      if (timeoutMs === noTimeout) return kernelFunction.applySync(undefined, given);
      // isolated-vm takes whole milliseconds; at least one, since 0 means none.
      return kernelFunction.applySync(undefined, given, { timeout: Math.max(1, Math.ceil(timeoutMs)) });
    } catch (cause) {
      // The kernel catches what user code throws: what arrives here came from outside the guest.
      const interruption = this.#isolate.isDisposed
        ? 'memory'
        : performance.now() - beganMs >= timeoutMs
          ? 'timeout'
          : 'broken';
      this.dispose();
      throw new SegmentInterrupted(interruption, cause);
    }
  }
}
