/**
 * Under which account the embedded server runs. PostgreSQL refuses to run as root, so as root it runs
 * 1. in a user namespace that shows it another uid: its files stay root's, so a checkout in a folder that only root may enter
 *    works; or, where namespaces are not allowed,
 * 2. as an unprivileged user of the system, when that user can reach both the binaries and the data folder.
 */
import { spawnSync } from 'node:child_process';
import { chownSync, readFileSync, statSync } from 'node:fs';
import { NflowError } from '../../errors.ts';
import type { PostgresBinaries } from './binaries.ts';
import { postgresEnvironment } from './binaries.ts';

export interface PostgresAccount {
  /** For the log. */
  readonly description: string;
  /** Program and arguments that the server's command line is appended to; empty when it is started directly. */
  readonly prefix: readonly string[];
  /** Uid and gid to start it with, when they are not ours. */
  readonly ids: { uid: number; gid: number } | null;
  /** Gives a folder that we made to the account. */
  own(folder: string): void;
}

interface SystemUser {
  name: string;
  uid: number;
  gid: number;
}

/** Preferred accounts, most fitting first, when root has to give up its identity. */
const unprivilegedNames = ['postgres', 'nobody'];

/**
 * @param workDir folder of the embedded server, existing.
 * @param clusterDir data folder of PostgreSQL; its owner decides when it exists already.
 * @throws NflowError `not_available` when no account works.
 */
export function choosePostgresAccount(
  binaries: PostgresBinaries,
  workDir: string,
  clusterDir: string,
): PostgresAccount {
  if (process.getuid?.() !== 0) return ownAccount;
  const owner = ownerOf(clusterDir);
  const users = readSystemUsers();
  const tried: string[] = [];

  if (owner === null || owner === 0) {
    const namespace = namespacePrefix(users);
    const probe = spawnSync(namespace[0] as string, [...namespace.slice(1), binaries.postgres, '--version'], {
      env: postgresEnvironment(binaries.libraryDir),
      encoding: 'utf8',
    });
    if (probe.status === 0) {
      return { description: 'root, in a user namespace of its own', prefix: namespace, ids: null, own: () => {} };
    }
    tried.push(`user namespace: ${firstLine(probe.stderr) ?? probe.error?.message ?? `exit ${probe.status}`}`);
  }

  const candidates =
    owner !== null && owner !== 0
      ? users.filter((user) => user.uid === owner)
      : unprivilegedNames.flatMap((name) => users.filter((user) => user.name === name));
  for (const user of candidates) {
    const obstacle = obstacleFor(user, binaries, workDir);
    if (obstacle === null) {
      return {
        description: `user ${user.name}`,
        prefix: [],
        ids: { uid: user.uid, gid: user.gid },
        own: (folder) => chownSync(folder, user.uid, user.gid),
      };
    }
    tried.push(`user ${user.name}: ${obstacle}`);
  }
  throw new NflowError('not_available', 'PostgreSQL does not run as root, and no other account could start it', {
    got: tried.join('; '),
    expected: 'user namespaces, or a user that can reach the program and the data folder',
    remedy: 'start nFlow as another user than root, or set [database_nflow] dsn to a server that runs elsewhere',
  });
}

const ownAccount: PostgresAccount = { description: 'our own user', prefix: [], ids: null, own: () => {} };

/** `initdb` looks its uid up by name, so the uid must be one that the system knows. */
function namespacePrefix(users: SystemUser[]): string[] {
  const uid = (users.find((user) => user.uid === 1000) ?? users.find((user) => user.uid !== 0))?.uid ?? 65534;
  return ['unshare', '--user', `--map-user=${uid}`, `--map-group=${uid}`, '--'];
}

function obstacleFor(user: SystemUser, binaries: PostgresBinaries, workDir: string): string | null {
  const as = { uid: user.uid, gid: user.gid, env: postgresEnvironment(binaries.libraryDir), encoding: 'utf8' } as const;
  const program = spawnSync(binaries.postgres, ['--version'], as);
  if (program.status !== 0) return `cannot run ${binaries.postgres}`;
  const folder = spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', workDir], as);
  return folder.status === 0 ? null : `cannot enter ${workDir}`;
}

function ownerOf(folder: string): number | null {
  try {
    return statSync(folder).uid;
  } catch {
    return null;
  }
}

function readSystemUsers(): SystemUser[] {
  let text: string;
  try {
    text = readFileSync('/etc/passwd', 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    const [name, , uid, gid] = line.split(':');
    return name !== undefined && uid !== undefined && gid !== undefined
      ? [{ name, uid: Number(uid), gid: Number(gid) }]
      : [];
  });
}

function firstLine(text: string | null): string | null {
  const line = text?.split('\n')[0]?.trim();
  return line === undefined || line === '' ? null : line;
}
