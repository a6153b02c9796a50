/** The data folder of a server: one server holds it at a time. */
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { NflowError } from '../errors.ts';
import { lockFolder } from '../store/embedded/folder-lock.ts';
import { processStartMark } from '../store/embedded/process-identity.ts';
import { GatewayRecord } from '../supervisor/gateway-record.ts';
import { reachableAddress } from './reachable-address.ts';

/** The server that holds a data folder. */
export interface FolderHolder {
  pid: number;
  since: Date;
  /** Such as `http://127.0.0.1:8080`; null while it starts. */
  address: string | null;
}

const lockFile = 'supervisor.lock';

/**
 * Makes it when it is missing, and holds it until `release`.
 * @throws NflowError `conflict` saying who holds it, `invalid_config` when it cannot be used.
 */
export function takeDataFolder(dataDir: string): { release(): void } {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    return lockFolder(join(dataDir, lockFile), dataDir);
  } catch (cause) {
    if (cause instanceof NflowError) throw heldError(dataDir) ?? cause;
    throw new NflowError('invalid_config', `The data folder cannot be used: ${(cause as Error).message}`, {
      got: dataDir,
      expected: 'a folder that this user may write',
      remedy: 'Name another one with --data.',
      cause,
    });
  }
}

/** Null when no server that runs holds it. */
export function holderOf(dataDir: string): FolderHolder | null {
  const file = join(dataDir, lockFile);
  try {
    const [pidText = '', mark = ''] = readFileSync(file, 'utf8').trim().split(' ');
    const pid = Number(pidText);
    if (!Number.isSafeInteger(pid) || processStartMark(pid) !== mark) return null;
    const { address } = new GatewayRecord(dataDir);
    return { pid, since: statSync(file).mtime, address: address === null ? null : reachableAddress(address) };
  } catch {
    return null;
  }
}

function heldError(dataDir: string): NflowError | null {
  const holder = holderOf(dataDir);
  if (holder === null) return null;
  const { pid, since, address } = holder;
  const where = address === null ? 'is still starting' : `answers at ${address}`;
  return new NflowError('conflict', `The data folder ${dataDir} is in use by the server of process ${pid}`, {
    got: `it runs since ${since.toISOString()} and ${where}`,
    expected: 'one server for one data folder',
    remedy: `stop process ${pid}, or start with another --data folder`,
  });
}
