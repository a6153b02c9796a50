import { Lane } from './lane.ts';

/** The name of the trust group of workflows that name none. */
export const defaultGroup = 'default';

/** The runners of one trust group: no runner ever executes workflows of two. */
export class RunnerGroup {
  readonly name: string;
  readonly fast = new Lane('fast');
  readonly slow = new Lane('slow');
  /** `performance.now()` when a run of it was dispatched last. */
  lastUsedMs: number;

  constructor(name: string, nowMs: number) {
    this.name = name;
    this.lastUsedMs = nowMs;
  }

  get isDefault(): boolean {
    return this.name === defaultGroup;
  }

  get isIdle(): boolean {
    return this.fast.open === 0 && this.slow.open === 0;
  }
}
