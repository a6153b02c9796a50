/** Which process a holder holds. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';

/** Pid of the only child of a process; 0 when there is none, or none can be seen. */
export function readChildPid(parent: number): number {
  try {
    return Number.parseInt(readFileSync(`/proc/${parent}/task/${parent}/children`, 'latin1'), 10) || 0;
  } catch {
    // It has ended, or this kernel was built without such files, as those of small virtual machines are.
    return searchChildPid(parent);
  }
}

/** The same, by asking every process for its parent. */
export function searchChildPid(parent: number): number {
  const wanted = String(parent);
  return Number(listProc().find((name) => /^\d+$/.test(name) && parentOf(name) === wanted) ?? 0);
}

function listProc(): string[] {
  try {
    return readdirSync('/proc');
  } catch {
    return [];
  }
}

function parentOf(pid: string): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything. State and parent follow it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? null;
  } catch {
    return null;
  }
}
