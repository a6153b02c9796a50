/** Memory of a tree of processes, from /proc: proportional set size, which counts a page shared by n processes as 1/n for each. */
import { readdirSync, readFileSync } from 'node:fs';

const pageKiB = 4;

interface RunningProcess {
  id: number;
  parentId: number;
  /** Program and arguments, separated by spaces. */
  command: string;
}

/** Null where there is no /proc (only Linux has it). */
function listProcesses(): RunningProcess[] | null {
  let ids: string[];
  try {
    ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return null;
  }
  return ids.flatMap((id) => {
    try {
      // 1234 (some name) S 1 …: the name may hold spaces and brackets.
      const stat = readFileSync(`/proc/${id}/stat`, 'utf8');
      const parentId = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      return [{ id: Number(id), parentId, command: readFileSync(`/proc/${id}/cmdline`, 'utf8').replaceAll('\0', ' ') }];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

function descendantsOf(rootId: number, processes: readonly RunningProcess[]): Set<number> {
  const members = new Set([rootId]);
  // Ids wrap around, so a child may come before its parent: repeat until nothing is added.
  for (let before = 0; before !== members.size; ) {
    before = members.size;
    for (const { id, parentId } of processes) if (members.has(parentId)) members.add(id);
  }
  return members;
}

/** Resident memory that is not shared with files: of a process of another user this is all that can be told. It has its own heaps in it. */
function privateKiB(id: number): number {
  try {
    const [, resident, shared] = readFileSync(`/proc/${id}/statm`, 'utf8').split(' ').map(Number);
    return ((resident as number) - (shared as number)) * pageKiB;
  } catch {
    // It has ended meanwhile.
    return 0;
  }
}

/**
 * PSS in MiB of the processes below `rootId` (itself included) whose command matches, and of all below those. Null when it cannot
 * be told: no /proc, or nothing that matches. Of a process of another user, which may not be looked at, its private memory.
 */
export function proportionalMemoryMiB(rootId: number, commandPattern: RegExp): number | null {
  const processes = listProcesses();
  if (processes === null) return null;
  const below = descendantsOf(rootId, processes);
  const measured = new Set<number>();
  for (const { id, command } of processes) {
    if (!below.has(id) || !commandPattern.test(command)) continue;
    for (const member of descendantsOf(id, processes)) measured.add(member);
  }
  if (measured.size === 0) return null;
  let kiB = 0;
  for (const id of measured) {
    try {
      kiB += Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch (error) {
      // It may have ended meanwhile.
      if ((error as NodeJS.ErrnoException).code === 'EACCES') kiB += privateKiB(id);
    }
  }
  return Math.round(kiB / 102.4) / 10;
}
