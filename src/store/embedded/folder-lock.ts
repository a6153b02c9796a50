/**
 * Only one process may own an embedded server's folder. PostgreSQL itself refuses to run twice on one cluster; this lock adds
 * who it is, and lets its holder decide that a server found running is an orphan of an owner that was killed.
 *
 * The lock is a file with the owner's pid and start mark, made by `link`, which is atomic. The file of an owner that has ended is
 * moved away by `rename` first: of two that try, one gets it, and what it got is compared with what it judged.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { NflowError } from '../../errors.ts';
import { processStartMark } from './process-identity.ts';

export interface FolderLock {
  release(): void;
}

const attemptsMax = 20;

/** @throws NflowError `conflict` naming the pid that holds it. */
export function lockFolder(file: string, folder: string): FolderLock {
  const own = `${process.pid} ${processStartMark(process.pid) ?? ''}\n`;
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, own, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      try {
        linkSync(draft, file);
        return { release: () => releaseIfOurs(file, own) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = readIfThere(file);
      if (holder === null) continue;
      const pid = Number.parseInt(holder, 10);
      const mark = holder.slice(holder.indexOf(' ') + 1).trim();
      if (processStartMark(pid) === mark) throw heldBy(pid, folder);
      removeStale(file, holder);
    }
    throw new NflowError('conflict', `The lock of ${folder} changes hands all the time`, {
      got: `${attemptsMax} attempts`,
      remedy: 'start one server for one data folder',
    });
  } finally {
    rmSync(draft, { force: true });
  }
}

export function heldBy(pid: number, folder: string): NflowError {
  return new NflowError('conflict', `The data folder ${folder} is in use by the process ${pid}`, {
    got: `process ${pid} is running on it`,
    expected: 'one server for one data folder',
    remedy: `stop process ${pid}, or start with another --data folder`,
  });
}

function removeStale(file: string, judged: string): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  // Somebody else's fresh lock slipped in between: give it back.
  if (readIfThere(aside) !== judged) {
    try {
      linkSync(aside, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  rmSync(aside, { force: true });
}

function releaseIfOurs(file: string, own: string): void {
  if (readIfThere(file) === own) rmSync(file, { force: true });
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
