import { Lane } from './lane.ts';

/** The name of the trust group of workflows that name none. */
export const defaultGroup = 'default';

/** Weight of a new observation of the time of first runs. */
const bindingRate = 0.2;

/** The runners of one trust group: no runner ever executes workflows of two. */
export class RunnerGroup {
  readonly name: string;
  readonly fast = new Lane('fast');
  readonly slow = new Lane('slow');
  /** `performance.now()` when a run of it was dispatched last. */
  lastUsedMs: number;
  /** What the first run of a workflow took, with making and binding its VM: smoothed. */
  bindingMs = 0;

  constructor(name: string, nowMs: number) {
    this.name = name;
    this.lastUsedMs = nowMs;
  }

  learnBinding(ms: number): void {
    this.bindingMs += (ms - this.bindingMs) * bindingRate;
  }

  get isDefault(): boolean {
    return this.name === defaultGroup;
  }

  get isIdle(): boolean {
    return this.fast.open === 0 && this.slow.open === 0;
  }
}
