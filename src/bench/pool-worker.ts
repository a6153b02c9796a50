/**
 * Times the VM pool inside a process that is started as a runner is (`--no-node-snapshot`), without a socket: what a runner adds
 * to a run, and not what the way to it costs.
 */
import { createHistogram } from 'node:perf_hooks';
import ivm from 'isolated-vm';
import { packStart } from '../protocol/crossing.ts';
import { createGuestLimits } from '../protocol/guest-limits.ts';
import type { Vm } from '../runner/vm.ts';
import { VmPool } from '../runner/vm-pool.ts';
import { sendLast } from './last-message.ts';
import type { Measurement } from './row.ts';

export interface PoolWorkerOptions {
  programText: string;
  expectedOutput: string;
  durationMs: number;
  warmUpMs: number;
}

export interface PoolWorkerResult {
  rows: Measurement[];
  firstError: string | null;
}

const limits = createGuestLimits(64);
const segmentTimeoutMs = 10_000;
const programId = 1;
const nanosecondsPerMs = 1e6;
/** Calls between two looks at the clock, where the clock would cost as much as the call. */
const callsPerSample = 1_000;

interface Timed {
  perSecond: number;
  meanMs: number;
  p50Ms: number;
  p99Ms: number;
}

/** Repeats `work` for the time after a warm-up. One sample is `calls` calls; percentiles are those of the samples, per call. */
function time(work: () => void, calls: number, { durationMs, warmUpMs }: PoolWorkerOptions): Timed {
  const sample = (): number => {
    const beganMs = performance.now();
    for (let i = 0; i < calls; i++) work();
    return performance.now() - beganMs;
  };
  for (let spentMs = 0; spentMs < warmUpMs; ) spentMs += sample();
  const histogram = createHistogram({ figures: 3 });
  let spentMs = 0;
  let samples = 0;
  while (spentMs < durationMs) {
    const tookMs = sample();
    spentMs += tookMs;
    samples++;
    histogram.record(Math.max(1, Math.round(tookMs * nanosecondsPerMs)));
  }
  const perCall = (nanoseconds: number): number => nanoseconds / nanosecondsPerMs / calls;
  return {
    perSecond: (samples * calls * 1000) / spentMs,
    meanMs: spentMs / (samples * calls),
    p50Ms: perCall(histogram.percentile(50)),
    p99Ms: perCall(histogram.percentile(99)),
  };
}

/** The least that a crossing can be: a string into an isolate and a string out, no kernel, no program. */
function timeBareCrossing(options: PoolWorkerOptions): number {
  const isolate = new ivm.Isolate({ memoryLimit: 64 });
  const echo = isolate.createContextSync().evalSync('(text) => text', { reference: true }) as ivm.Reference<
    (text: string) => string
  >;
  const timed = time(
    () => echo.applySync(undefined, [options.expectedOutput], { timeout: segmentTimeoutMs }),
    1,
    options,
  );
  isolate.dispose();
  return timed.perSecond;
}

/** The least that a pool can be: a stack. */
function timeBareStack(options: PoolWorkerOptions): number {
  const free: object[] = [{}];
  return time(() => free.push(free.pop() as object), callsPerSample, options).perSecond;
}

function measure(options: PoolWorkerOptions): PoolWorkerResult {
  const pool = new VmPool({
    limits,
    maxMemoryMiB: 128,
    maxSize: 4,
    preloadSize: 1,
    idleTimeoutMs: 900_000,
    // Replacing a VM is not what is measured here.
    recycleAfterRuns: Number.MAX_SAFE_INTEGER,
  });
  let firstError: string | null = null;
  let errors = 0;
  const bind = (vm: Vm): void => {
    const loadError = vm.load(options.programText, segmentTimeoutMs);
    if (loadError !== '') throw new Error(loadError);
  };
  const acquire = (): Vm => {
    const vm = pool.acquire(programId, bind);
    if (vm === null) throw new Error('the pool has no VM');
    return vm;
  };
  const acquireRelease = time(() => pool.release(acquire(), 0), callsPerSample, options);

  let run = 0;
  const runOnce = (): void => {
    run++;
    const vm = acquire();
    vm.runs.add(run);
    vm.runsStarted++;
    const answer = vm.start(
      packStart(run, 1, 1_700_000_000_000, 'bench', '0'.repeat(32), '{}', '', false),
      segmentTimeoutMs,
    );
    vm.runs.delete(run);
    pool.release(vm, 0);
    if (answer.includes(options.expectedOutput)) return;
    errors++;
    firstError ??= `got ${answer.slice(0, 300)}, expected it to hold ${options.expectedOutput}`;
  };
  const trivialRun = time(runOnce, 1, options);
  return {
    rows: [
      { name: 'pool.acquireRelease', ...acquireRelease, errors: 0, floor: timeBareStack(options) },
      { name: 'pool.run', ...trivialRun, errors, floor: timeBareCrossing(options) },
    ],
    firstError,
  };
}

process.once('message', (options: PoolWorkerOptions) => {
  sendLast(measure(options));
});
