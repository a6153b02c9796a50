import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';

/** What the slow lane gets when cores are short: about a tenth of what anything else on them does. */
export const lowPriority = 10;
export const normalPriority = 0;

/**
 * Sets the priority of a process: on Linux it is each thread's own, so of all its threads. False when that is not allowed: only root
 * may raise one again.
 */
export function setProcessPriority(pid: number, priority: number): boolean {
  let isSet = true;
  for (const thread of threadsOf(pid)) {
    try {
      setPriority(thread, priority);
    } catch {
      // It may have ended meanwhile; then the next look at the process tells.
      isSet = false;
    }
  }
  return isSet;
}

function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [pid];
  }
}
