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
/** What one segment may add beyond its VM's heap twice over: the text that it was sent, and what it sends. */
const growthBaseMiB = 256;
/** From here on a runner is asked to give up the VMs that it needs least. */
const residentRelievedMiB = 1024;
/** Looks between two at a runner's memory. */
const memoryLooks = 20;
/** A runner that gets no CPU is not stuck: it is given this much longer. */
const starvedGrace = 20;

/**
 * The second line against code that does not stop: native loops ignore an isolate's timeout, and memory outside the heap ignores its
 * limit (both measured). It looks at each runner from outside and kills it; only a signal stops such code.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    let looks = 0;
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      const isMemoryDue = ++looks % memoryLooks === 0;
      for (const runner of options.runners()) {
        if (runner.hasExited) continue;
        this.#look(runner, nowMs);
        if (isMemoryDue && (readResidentMiB(runner.pid) ?? 0) > residentRelievedMiB) runner.relieve();
      }
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
      watch.sinceResidentMiB = readResidentMiB(runner.pid) ?? 0;
      return;
    }
    const cpuMs = (readThreadCpuMs(runner.pid) ?? 0) - watch.sinceCpuMs;
    const isOverdue = cpuMs > graceMs || nowMs - watch.sinceMs > starvedGrace * graceMs;
    if (token < 0) {
      // Programs that are known to be quick, and have made no progress for that long.
      if (isOverdue) runner.kill('stuck');
      return;
    }
    const run = runner.runs.get(token);
    if (run === undefined) {
      // The gateway gave the run up (its time was over, its client left) and the runner is still in it.
      if (isOverdue) runner.kill('dropped');
      return;
    }
    if (nowMs > run.start.deadlineMs + graceMs) {
      runner.kill('timeout');
      return;
    }
    if (cpuMs > this.#options.maxExecutionMs + graceMs) {
      runner.kill('max_execution_seconds');
      return;
    }
    // One segment executes at a time: what is added meanwhile is its doing.
    const residentMiB = readResidentMiB(runner.pid) ?? 0;
    const vmMiB = 2 * this.#options.maxMemoryMiB;
    if (residentMiB > residentBaseMiB + vmMiB || residentMiB - watch.sinceResidentMiB > growthBaseMiB + vmMiB)
      runner.kill('memory');
  }
}
