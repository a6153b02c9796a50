import { readFileSync } from 'node:fs';

/** Files, sockets to runners and PostgreSQL, administration, and what opens for a moment: not for clients. */
const keptForOthersMin = 128;
/** Workflows that clients started open connections too: a share of the limit is theirs. */
const keptForOthersShare = 1 / 4;

/**
 * How many connections the limit of open files (`ulimit -n`) leaves for clients. Infinity where there is no limit or it cannot be
 * read.
 */
export function connectionsMax(limitsText: string | null = readLimits()): number {
  const soft = limitsText === null ? null : /^Max open files\s+(\d+)/m.exec(limitsText);
  if (soft === null) return Number.POSITIVE_INFINITY;
  const files = Number(soft[1]);
  return Math.max(16, files - Math.max(keptForOthersMin, Math.ceil(files * keptForOthersShare)));
}

function readLimits(): string | null {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return null;
  }
}
