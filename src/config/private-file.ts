/** Files of the data folder that hold something secret. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { NflowError } from '../errors.ts';

/**
 * The text of a file that nobody but its owner may read; null when there is none.
 * @param what as a sentence about the file names it, such as "the admin token"
 * @param remedy what to do when others can read it
 * @throws NflowError `invalid_config` when other users can read it; the system's error when it cannot be read.
 */
export function readPrivateFile(path: string, what: string, remedy: string): string | null {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const { mode } = fstatSync(fd);
    // Windows has no such bits.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new NflowError('invalid_config', `Other users of this machine can read ${what}.`, {
        file: path,
        got: `mode ${(mode & 0o777).toString(8)} of ${path}`,
        expected: 'mode 600',
        remedy,
      });
    }
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
