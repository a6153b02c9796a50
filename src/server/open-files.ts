import { readFileSync } from 'node:fs';

/** Files, sockets to runners and PostgreSQL, and what opens for a moment: not for clients. */
const keptForOthers = 128;

/**
 * How many connections the limit of open files (`ulimit -n`) leaves for clients: past it they are closed as they come, and
 * everything else goes on working. Null where the limit cannot be read.
 */
export function connectionsMax(limitsText: string | null = readLimits()): number | null {
  const soft = limitsText === null ? null : /^Max open files\s+(\d+)/m.exec(limitsText);
  return soft === null ? null : Math.max(16, Number(soft[1]) - keptForOthers);
}

function readLimits(): string | null {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return null;
  }
}
