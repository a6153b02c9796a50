import { readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { isProcessAlive } from './process-identity.ts';

export interface RunningCluster {
  pid: number;
  /** With the password: never log it. */
  dsn: string;
}

/** The embedded server that runs on a data folder, whoever started it; null when none does. */
export function findRunningCluster(dataDir: string): RunningCluster | null {
  try {
    const workDir = path.join(realpathSync(dataDir), 'postgres');
    // Its lines: pid, folder, start time, port, socket folder, address, shared memory, state.
    const lines = readFileSync(path.join(workDir, 'cluster', 'postmaster.pid'), 'utf8').split('\n');
    const pid = Number(lines[0]);
    const [port = '', socketDir = ''] = [lines[3]?.trim(), lines[4]?.trim()];
    if (!Number.isSafeInteger(pid) || !isProcessAlive(pid) || socketDir === '') return null;
    const password = readFileSync(path.join(workDir, 'password'), 'utf8').trim();
    return { pid, dsn: `postgres://nflow:${password}@${encodeURIComponent(socketDir)}:${port}/nflow` };
  } catch {
    return null;
  }
}
