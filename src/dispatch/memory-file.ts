import { randomBytes } from 'node:crypto';
import { accessSync, constants, openSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Opens a new file in memory that has no name: who has the descriptor, or inherits it, has the file. */
export function openMemoryFile(purpose: string): number {
  const name = `nflow-${purpose}-${process.pid}-${randomBytes(6).toString('hex')}`;
  const path = join(sharedMemoryFolder(), name);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return fd;
}

function sharedMemoryFolder(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}
