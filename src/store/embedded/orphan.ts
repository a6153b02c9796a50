/**
 * What an owner that was killed leaves behind: a server that still runs, or the pid file of one that does not.
 * Called with the folder's lock held, so a server that runs on this cluster has no owner any more.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { NflowError } from '../../errors.ts';
import type { StoreLog } from '../log.ts';
import { isProcessAlive, signalProcess } from './process-identity.ts';

/** Above every pid that a kernel gives out, so surely nobody's. */
const nobodysPid = 999_999_999;

/** Fast shutdown writes a checkpoint; immediate shutdown leaves that to recovery; the last is what cannot be refused. */
const stopSignals = [
  { signal: 'SIGINT', patienceMs: 20_000 },
  { signal: 'SIGQUIT', patienceMs: 5_000 },
  { signal: 'SIGKILL', patienceMs: 5_000 },
] as const;

export async function endOrphan(clusterDir: string, log: StoreLog): Promise<void> {
  const file = path.join(clusterDir, 'postmaster.pid');
  const text = readIfThere(file);
  if (text === null) return;
  const pid = Number.parseInt(text, 10);
  if (!Number.isSafeInteger(pid) || !isProcessAlive(pid)) return;
  if (!runsOnCluster(pid, clusterDir)) {
    // Another process has the pid now. PostgreSQL would take it for a running server. Only the pid is replaced, not the file
    // removed: PostgreSQL also reads the shared memory's id from it, to see whether old backends are still alive.
    writeFileSync(file, text.replace(/^\d+/, String(nobodysPid)));
    return;
  }
  log.warn({ pid }, 'PostgreSQL is still running from an owner that was killed: stopping it first');
  await stopPostmaster(pid);
}

/**
 * Stops a server: politely at first.
 * @throws NflowError `internal_error` when not even SIGKILL ended it.
 */
export async function stopPostmaster(pid: number): Promise<void> {
  // A stopped process takes no other signal.
  signalProcess(pid, 'SIGCONT');
  for (const { signal, patienceMs } of stopSignals) {
    signalProcess(pid, signal);
    const untilMs = performance.now() + patienceMs;
    while (performance.now() < untilMs) {
      if (!isProcessAlive(pid)) return;
      await delay(10);
    }
  }
  throw new NflowError('internal_error', `PostgreSQL (process ${pid}) does not end`, {
    got: `alive after ${stopSignals.map(({ signal }) => signal).join(', ')}`,
    remedy: 'look at the state of that process and of the disk under the data folder',
  });
}

function runsOnCluster(pid: number, clusterDir: string): boolean {
  const words =
    process.platform === 'linux'
      ? (readIfThere(`/proc/${pid}/cmdline`) ?? '')
      : execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  return words.includes('postgres') && words.includes(clusterDir);
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}
