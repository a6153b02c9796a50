import type { Lane } from './lane.ts';
import { readThreadCpuMs } from './process-usage.ts';
import type { RunnerProcess } from './runner-process.ts';
import { fastBudgetMs } from './workflow-profile.ts';

const intervalMs = 2;
/** A runner that has sent nothing for this long while it has work is looked at. */
const silentMs = 3;

/**
 * Finds the segments in the fast lane that are over the fast budget, by the CPU time of their runner's thread: a wall clock would
 * also find those that were only descheduled. It runs while there is work in a fast lane, and looks at the process only when it is
 * silent, so it costs nothing per segment.
 */
export class LaneWatch {
  readonly #lanes: () => Iterable<Lane>;
  readonly #onHeld: (runner: RunnerProcess, token: number) => void;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(lanes: () => Iterable<Lane>, onHeld: (runner: RunnerProcess, token: number) => void) {
    this.#lanes = lanes;
    this.#onHeld = onHeld;
  }

  /** There is work in a fast lane. */
  arm(): void {
    if (this.#timer !== null || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#look();
    }, intervalMs);
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    let isBusy = false;
    for (const lane of this.#lanes()) {
      for (const runner of [...lane.runners]) {
        if (runner.unanswered === 0) continue;
        isBusy = true;
        if (nowMs - runner.lastFrameMs > silentMs) this.#lookAt(runner);
      }
    }
    if (isBusy) this.arm();
  }

  #lookAt(runner: RunnerProcess): void {
    if (runner.isHeld) {
      this.#onHeld(runner, runner.pace.token);
      return;
    }
    const { pace } = runner;
    const token = runner.announcement.read();
    if (token === 0 || token !== pace.token) {
      pace.token = token;
      if (token !== 0) pace.cpuMs = readThreadCpuMs(runner.pid) ?? 0;
      return;
    }
    const cpuMs = readThreadCpuMs(runner.pid);
    if (cpuMs === null || cpuMs - pace.cpuMs <= fastBudgetMs) return;
    runner.isHeld = true;
    this.#onHeld(runner, token);
  }
}
