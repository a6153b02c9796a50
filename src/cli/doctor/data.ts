/** The data folder: whether it can be used, who uses it, and whether git would pick it up. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { freeDiskBytes } from '../../store/embedded/settings.ts';
import { isUnignoredInGit } from '../../supervisor/git-work-tree.ts';
import { holderOf } from '../data-folder.ts';
import { type Check, check } from './check.ts';

const mebibyte = 1024 * 1024;
/** PostgreSQL's log alone may take this much between two checkpoints. */
const freeMiBMin = 2048;

export function checkData(dataDir: string): Check[] {
  const isThere = existsSync(dataDir);
  const existing = isThere ? dataDir : nearestFolder(dataDir);
  const freeMiB = Math.floor(freeDiskBytes(existing) / mebibyte);
  return [
    checkFolder(dataDir, isThere, existing),
    check(
      'data',
      'free disk',
      freeMiB >= freeMiBMin ? 'ok' : 'warning',
      `${freeMiB} MiB`,
      freeMiB >= freeMiBMin ? null : `Make room: with less than ${freeMiBMin} MiB the database may run out of disk.`,
    ),
    checkServer(dataDir),
    checkGit(dataDir),
  ];
}

function checkFolder(dataDir: string, isThere: boolean, existing: string): Check {
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
  } catch {
    return check('data', 'folder', 'failed', `${existing} cannot be written`, 'Name another one with --data.');
  }
  if (!isThere) return check('data', 'folder', 'ok', `${dataDir}, not made yet`);
  const mode = statSync(dataDir).mode & 0o777;
  const isOpen = (mode & 0o077) !== 0;
  return check(
    'data',
    'folder',
    isOpen ? 'warning' : 'ok',
    `${dataDir}, mode ${mode.toString(8).padStart(4, '0')}`,
    isOpen ? `Others on this machine can look into it: chmod 700 ${dataDir}` : null,
  );
}

function checkServer(dataDir: string): Check {
  const holder = holderOf(dataDir);
  if (holder === null) return check('data', 'server', 'ok', 'none runs on it');
  const { pid, since, address } = holder;
  const where = address === null ? 'is starting' : `at ${address}`;
  return check('data', 'server', 'ok', `process ${pid} since ${since.toISOString()}, ${where}`);
}

function checkGit(dataDir: string): Check {
  if (!isUnignoredInGit(dataDir)) return check('data', 'git', 'ok', 'no work tree would pick it up');
  return check(
    'data',
    'git',
    'warning',
    'it lies in a git work tree that does not ignore it',
    'Add it to .gitignore before the next commit.',
  );
}

function nearestFolder(path: string): string {
  for (let folder = dirname(path); ; folder = dirname(folder)) if (existsSync(folder)) return folder;
}
