import type { GuestLimits } from './program.ts';

/** What the gateway tells a runner first, as JSON text in the configure frame. */
export interface RunnerSettings {
  limits: GuestLimits;
  maxMemoryMiB: number;
  /** VMs in this runner. */
  maxSize: number;
  preloadSize: number;
  idleTimeoutMs: number;
  cleanupIntervalMs: number;
  recycleAfterRuns: number;
  /** CPU of one segment. */
  maxExecutionMs: number;
}

/** File descriptors that a runner inherits. */
export const runnerSocketFd = 3;
/** Eight bytes at offset 0: the token of the run whose segment is being executed (f64), 0 when none is. It outlives the runner. */
export const runnerAnnounceFd = 4;
