import { readResidentMiB, readThreadCpuMs } from './process-usage.ts';
import type { RunnerProcess } from './runner-process.ts';

export interface WatchdogOptions {
  runners: () => RunnerProcess[];
  maxExecutionMs: number;
  maxMemoryMiB: number;
}

const intervalMs = 50;
/** The VM's own timer is the first line: the watchdog acts when it had that long to work. */
const graceMs = 300;
/** Resident memory that a runner may have beside what one VM may use: Node, the isolates of light workflows, garbage. */
const residentBaseMiB = 1536;

/**
 * The second line against code that does not stop: native loops ignore an isolate's timeout, and memory outside the heap ignores its
 * limit (both measured). It looks at each runner from outside and kills it; only a signal stops such code.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      for (const runner of options.runners()) if (!runner.hasExited) this.#look(runner, performance.now());
    }, intervalMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(runner: RunnerProcess, nowMs: number): void {
    const { watch } = runner;
    const token = runner.announcement.read();
    if (token === 0) {
      watch.token = 0;
      return;
    }
    if (token !== watch.token) {
      watch.token = token;
      watch.sinceMs = nowMs;
      watch.sinceCpuMs = readThreadCpuMs(runner.pid) ?? 0;
      return;
    }
    if (token < 0) {
      // Programs that are known to be quick, and have made no progress for that long.
      if (nowMs - watch.sinceMs > graceMs) runner.kill('stuck');
      return;
    }
    const run = runner.runs.get(token);
    if (run === undefined) {
      // The gateway gave the run up (its time was over, its client left) and the runner is still in it.
      if (nowMs - watch.sinceMs > graceMs) runner.kill('dropped');
      return;
    }
    if (nowMs > run.start.deadlineMs + graceMs) {
      runner.kill('timeout');
      return;
    }
    const cpuMs = (readThreadCpuMs(runner.pid) ?? 0) - watch.sinceCpuMs;
    if (cpuMs > this.#options.maxExecutionMs + graceMs) {
      runner.kill('max_execution_seconds');
      return;
    }
    const residentMiB = readResidentMiB(runner.pid);
    if (residentMiB !== null && residentMiB > residentBaseMiB + 2 * this.#options.maxMemoryMiB) runner.kill('memory');
  }
}
