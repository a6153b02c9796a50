import ivm from 'isolated-vm';
import { type EffectPartSource, effectPartSources } from '../effects/guest-parts.ts';
import { kernelSource } from '../guest/source.ts';
import { webPartSources } from '../guest/web/parts.ts';
import type { GuestLimits, Program } from '../protocol/program.ts';

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

/** What a VM is made of. */
interface VmParts {
  isolate: ivm.Isolate;
  script: ivm.Script;
  context: ivm.Context;
  kernel: ivm.Reference;
}

type KernelFunction = ivm.Reference<(...given: (string | number)[]) => string>;

/** A context of the isolate with its kernel: the references to the kernel's functions stay on this side. */
interface Realm {
  context: ivm.Context;
  bind: KernelFunction;
  bindEffect: KernelFunction;
  load: KernelFunction;
  start: KernelFunction;
  deliver: KernelFunction;
  drain: KernelFunction;
  drainRejected: KernelFunction;
  drop: KernelFunction;
}

interface BoundProgram {
  text: string;
  /** Source texts of the parts of the web platform that it uses. */
  parts: string[];
  effectParts: EffectPartSource[];
  isFresh: boolean;
  /** Its modules keep state: it holds one unfinished run. */
  hasModules: boolean;
}

const dropTimeoutMs = 1000;
const kernelFile = { filename: 'nflow:kernel' } as const;

/**
 * One isolate with a hardened realm and a kernel. Unbound until `load` gives it a program; bound to that program for life.
 * Only strings and numbers cross, in both directions.
 *
 * A program with `isolation: "fresh"` gets a realm of its own for each run: the first one is that of the unbound VM, the next one is
 * made when a run starts and thrown away when it ends. Such a VM takes one unfinished run, since each realm costs memory of its own.
 */
export class Vm {
  readonly #isolate: ivm.Isolate;
  readonly #kernelScript: ivm.Script;
  /** Of a shared program, or the one that the next run of a fresh one gets. */
  #realm: Realm | null;
  #program: BoundProgram | null = null;
  /** Of a fresh program: the realm of its unfinished run. */
  #busyRealm: Realm | null = null;
  readonly #memoryMax: number;
  /** Unfinished runs. */
  readonly runs = new Set<number>();
  runsStarted = 0;
  lastUsedMs = 0;
  /** Runs in it that have come back and were not given anything new yet; and until when that is waited for. */
  readonly returning = new Set<number>();
  claimedUntilMs = 0;
  programId = 0;
  /** Takes no new runs; it is disposed when its last one is over. */
  isClosed = false;
  /** `memoryShare` when it was last looked at, and the segments since. */
  sampledShare = 0;
  unsampledSegments = 0;
  #disposed = false;

  /** `parts`: made by `prepare`; without them they are made here and now. */
  constructor(options: VmOptions, parts?: VmParts) {
    this.#memoryMax = options.maxMemoryMiB * 1024 * 1024;
    this.#isolate = parts?.isolate ?? new ivm.Isolate({ memoryLimit: options.maxMemoryMiB });
    this.#kernelScript = parts?.script ?? compileKernel(this.#isolate, options.limits);
    this.#realm = parts === undefined ? this.#createRealm() : realmOf(parts.context, parts.kernel);
  }

  /** Makes an unbound VM in another thread: this one goes on with its work meanwhile. */
  static async prepare(options: VmOptions): Promise<Vm> {
    const isolate = new ivm.Isolate({ memoryLimit: options.maxMemoryMiB });
    const context = await isolate.createContext();
    const script = compileKernel(isolate, options.limits);
    const kernel = (await script.run(context, { reference: true })) as ivm.Reference;
    return new Vm(options, { isolate, script, context, kernel });
  }

  get isDisposed(): boolean {
    return this.#disposed || this.#isolate.isDisposed;
  }

  /** Whether it may be given another run: the VM of a fresh program, or of one with modules, has one at a time. */
  get takesRun(): boolean {
    return this.#busyRealm === null && (this.runs.size === 0 || this.#program?.hasModules !== true);
  }

  /** Heap and external memory, as a share of what the VM may have. */
  memoryShare(): number {
    if (this.isDisposed) return 0;
    const { used_heap_size, externally_allocated_size } = this.#isolate.getHeapStatisticsSync();
    return (used_heap_size + externally_allocated_size) / this.#memoryMax;
  }

  /** Compiles the program into this VM. Returns '' or the error as JSON text. */
  load(programText: string, timeoutMs: number): string {
    const { webGlobals, effectParts, isolation, modules } = JSON.parse(programText) as Program;
    this.#program = {
      text: programText,
      parts: webPartSources(webGlobals),
      effectParts: effectPartSources(effectParts),
      isFresh: isolation === 'fresh',
      hasModules: modules !== undefined,
    };
    return this.#bind(this.#realm as Realm, timeoutMs);
  }

  /** Runs a run's first segment. `packed` is what `protocol/crossing.ts` makes. */
  start(packed: string, timeoutMs: number): string {
    if (this.#program?.isFresh === true) return this.#startFresh(packed, timeoutMs);
    const realm = this.#realm as Realm;
    return this.#segment(realm, realm.start, packed, timeoutMs);
  }

  /** Delivers a result, which runs one segment. */
  deliver(packed: string, timeoutMs: number): string {
    const realm = (this.#busyRealm ?? this.#realm) as Realm;
    return this.#endFresh(this.#segment(realm, realm.deliver, packed, timeoutMs));
  }

  drop(run: number): void {
    if (!this.runs.delete(run) || this.isDisposed) return;
    if (this.#busyRealm !== null) this.#releaseBusyRealm();
    else this.#call((this.#realm as Realm).drop, [run], dropTimeoutMs);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (!this.#isolate.isDisposed) this.#isolate.dispose();
  }

  #createRealm(): Realm {
    const context = this.#isolate.createContextSync();
    return realmOf(context, this.#kernelScript.runSync(context, { reference: true }) as ivm.Reference);
  }

  #bind(realm: Realm, timeoutMs: number): string {
    const { parts, effectParts, text } = this.#program as BoundProgram;
    for (const part of parts) this.#call(realm.bind, [part], timeoutMs);
    for (const { kind, member, source } of effectParts) {
      this.#call(realm.bindEffect, [kind, member, source], timeoutMs);
    }
    return this.#call(realm.load, [text], timeoutMs);
  }

  #startFresh(packed: string, timeoutMs: number): string {
    let realm = this.#realm;
    this.#realm = null;
    if (realm === null) {
      realm = this.#createRealm();
      this.#bind(realm, timeoutMs);
    }
    this.#busyRealm = realm;
    return this.#endFresh(this.#segment(realm, realm.start, packed, timeoutMs));
  }

  /** A run that does not wait has ended, and its realm with it. */
  #endFresh(answer: string): string {
    if (this.#busyRealm !== null && !answer.startsWith('S')) this.#releaseBusyRealm();
    return answer;
  }

  #releaseBusyRealm(): void {
    const realm = this.#busyRealm as Realm;
    this.#busyRealm = null;
    for (const reference of Object.values(realm) as (ivm.Context | KernelFunction)[]) reference.release();
  }

  #segment(realm: Realm, kernelFunction: KernelFunction, packed: string, timeoutMs: number): string {
    const beganMs = performance.now();
    let answer: string;
    try {
      answer = this.#apply(kernelFunction, [packed], timeoutMs);
    } catch (cause) {
      // A promise that was rejected, and that nobody looked at, is thrown here once the segment is over. Its answer stands.
      if (this.#interruptionOf(beganMs, timeoutMs) !== 'broken') throw this.#interrupted(beganMs, timeoutMs, cause);
      answer = this.#call(realm.drainRejected, [messageOf(cause)], timeoutMs);
      if (answer === '') throw this.#interrupted(beganMs, timeoutMs, cause);
    }
    if (answer === '') answer = this.#call(realm.drain, [], timeoutMs);
    // One round a step at most: a step that nothing could wake has failed, and its run goes on with another node.
    return answer.startsWith('M') ? this.#segment(realm, realm.drain, '', timeoutMs) : answer;
  }

  #call(kernelFunction: KernelFunction, given: (string | number)[], timeoutMs: number): string {
    const beganMs = performance.now();
    try {
      return this.#apply(kernelFunction, given, timeoutMs);
    } catch (cause) {
      throw this.#interrupted(beganMs, timeoutMs, cause);
    }
  }

  #apply(kernelFunction: KernelFunction, given: (string | number)[], timeoutMs: number): string {
    if (timeoutMs === noTimeout) return kernelFunction.applySync(undefined, given);
    // isolated-vm takes whole milliseconds; at least one, since 0 means none.
    return kernelFunction.applySync(undefined, given, { timeout: Math.max(1, Math.ceil(timeoutMs)) });
  }

  /** By what was done to the VM. The kernel catches what user code throws: what arrives here came from outside the guest. */
  #interruptionOf(beganMs: number, timeoutMs: number): Interruption {
    if (this.#isolate.isDisposed) return 'memory';
    return performance.now() - beganMs >= timeoutMs ? 'timeout' : 'broken';
  }

  #interrupted(beganMs: number, timeoutMs: number, cause: unknown): SegmentInterrupted {
    const interruption = this.#interruptionOf(beganMs, timeoutMs);
    this.dispose();
    return new SegmentInterrupted(interruption, cause);
  }
}

/** The kernel's source as this process compiled it first: a quarter of what an unbound VM costs was compiling it again. */
let compiledKernel: { source: string; data: ivm.ExternalCopy<ArrayBuffer> | undefined } | null = null;

function compileKernel(isolate: ivm.Isolate, limits: GuestLimits): ivm.Script {
  const source = kernelSource(limits);
  if (compiledKernel?.source === source && compiledKernel.data !== undefined) {
    return isolate.compileScriptSync(source, { ...kernelFile, cachedData: compiledKernel.data });
  }
  const options = { ...kernelFile, produceCachedData: true };
  const script: ivm.Script & ivm.CachedDataResult = isolate.compileScriptSync(source, options);
  compiledKernel = { source, data: script.cachedData };
  return script;
}

function realmOf(context: ivm.Context, kernel: ivm.Reference): Realm {
  const take = (name: string): KernelFunction => kernel.getSync(name, { reference: true }) as KernelFunction;
  const realm: Realm = {
    context,
    bind: take('bind'),
    bindEffect: take('bindEffect'),
    load: take('load'),
    start: take('start'),
    deliver: take('deliver'),
    drain: take('drain'),
    drainRejected: take('drainRejected'),
    drop: take('drop'),
  };
  kernel.release();
  return realm;
}

const messageSizeMax = 1000;

function messageOf(cause: unknown): string {
  return (cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)).slice(0, messageSizeMax);
}
