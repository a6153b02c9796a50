/** The admin token of a data folder: whoever can read the file is the operator, until there are users. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { linkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NflowError } from '../errors.ts';
import { readPrivateFile } from './private-file.ts';

/** Long enough not to be guessed, short enough for a header. The prefix lets scanners for leaked secrets know it. */
const tokenPattern = /^[A-Za-z0-9_.~+/=-]{32,512}$/;
const tokenExpected = 'one line of 32 to 512 characters out of A-Z a-z 0-9 _ . ~ + / = -';
const secretBytes = 32;

export function adminTokenPath(dataDir: string): string {
  return join(dataDir, 'admin-token');
}

/**
 * The token of a data folder; made when there is none. Throws `invalid_config` for a file that others may read (its token may
 * be known by now) or that holds no token.
 */
export function ensureAdminToken(dataDir: string): string {
  const path = adminTokenPath(dataDir);
  try {
    const token = readAdminToken(path) ?? createAdminToken(path) ?? readAdminToken(path);
    if (token === null) throw new Error(`${path} was made and removed by somebody else`);
    return token;
  } catch (cause) {
    if (cause instanceof NflowError) throw cause;
    throw refused(path, `The admin token cannot be kept: ${(cause as Error).message}`, {
      got: path,
      expected: 'a file that this user may read and write',
      remedy: 'Give the data folder to the user who starts nFlow, or name another with --data.',
      cause,
    });
  }
}

/** Null when there is no file. Throws the system's error when it cannot be read, `invalid_config` as `ensureAdminToken`. */
export function readAdminToken(path: string): string | null {
  const remedy = `Remove the file: the next start makes a new token. If nobody can have read it, chmod 600 ${path} will do.`;
  const text = readPrivateFile(path, 'the admin token', remedy);
  if (text === null) return null;
  const token = text.trim();
  if (tokenPattern.test(token)) return token;
  throw refused(path, 'The file of the admin token does not hold one.', {
    got: `${token.length} characters in ${path}`,
    expected: tokenExpected,
    remedy: 'Remove the file: the next start makes a new token.',
  });
}

/** Null when somebody else was faster. The file appears whole or not at all. */
function createAdminToken(path: string): string | null {
  const token = `nflow_admin_${randomBytes(secretBytes).toString('base64url')}`;
  const draft = `${path}.${process.pid}.draft`;
  rmSync(draft, { force: true });
  writeFileSync(draft, `${token}\n`, { mode: 0o600, flag: 'wx' });
  try {
    linkSync(draft, path);
    return token;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return null;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** How long it takes tells nothing of how much was right, nor of the length. */
export function isSameToken(got: string, token: string): boolean {
  return timingSafeEqual(digest(got), digest(token));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function refused(path: string, message: string, details: NflowError['details']): NflowError {
  return new NflowError('invalid_config', message, { file: path, ...details });
}
