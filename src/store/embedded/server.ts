/**
 * The embedded PostgreSQL: a real server in the data folder, reachable through a Unix socket only.
 *
 *   DATA/postgres/          0700
 *     owner.lock            pid of the process that owns the server
 *     password              0600, of the role `nflow`
 *     cluster/              what initdb made; postgresql.conf and pg_hba.conf are written at every start
 *     socket/               0700; in the temporary folder instead when the path would be too long for a socket
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { parseDsn } from '../../config/dsn.ts';
import { NflowError } from '../../errors.ts';
import { connect } from '../connect.ts';
import type { StoreLog } from '../log.ts';
import { choosePostgresAccount, type PostgresAccount } from './account.ts';
import { findPostgresBinaries, type PostgresBinaries, postgresEnvironment } from './binaries.ts';
import { lockFolder } from './folder-lock.ts';
import { endOrphan, stopPostmaster } from './orphan.ts';
import { embeddedSettings, freeDiskBytes, machineMemoryBytes, renderSettings } from './settings.ts';
import { ProcessWatcher, type WatchedEnd } from './watcher.ts';

export interface EmbeddedPostgresOptions {
  /** nFlow's data folder; the server's own folder is made in it. */
  dataDir: string;
  log: StoreLog;
  /** Which programs to run; by default those of this platform's package, else the newest on the system. */
  binaries?: PostgresBinaries;
}

export interface PostgresExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface EmbeddedPostgres {
  /** URL of the database `nflow`, with the password: never log it. */
  readonly dsn: string;
  readonly pid: number;
  /** How it runs, for the log and for `doctor`. */
  readonly description: string;
  /** Settles when the server has ended, for whatever reason. */
  readonly exited: Promise<PostgresExit>;
  /** Stops it and waits for its end. Repeating it is allowed. */
  stop(): Promise<void>;
}

const gate = 'read -r _ && exec "$@" < /dev/null';
const role = 'nflow';
const database = 'nflow';
const port = 5432;
/** `sockaddr_un` holds 108 bytes on Linux, 104 on macOS, with the final zero; the lock beside the socket has the longer name. */
const socketPathMax = 103;
/** Old backends of a server that was killed notice it by themselves, within this time. */
const leftoverPatienceMs = 10_000;
const outputLinesKept = 30;
const lastWordsPatienceMs = 500;

/**
 * Starts the server, making its cluster at the first start.
 * @throws NflowError `conflict` when another process owns the folder (its pid is named), `not_available` when no server can run
 *   here, `internal_error` with the server's last words when it does not come up.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  if (process.platform === 'win32') {
    throw new NflowError('not_available', 'The embedded PostgreSQL does not run on Windows', {
      got: 'win32',
      expected: 'Linux or macOS',
      remedy: 'set [database_nflow] dsn to a PostgreSQL server',
    });
  }
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  const workDir = path.join(realpathSync(options.dataDir), 'postgres');
  mkdirSync(workDir, { recursive: true, mode: 0o700 });
  chmodSync(workDir, 0o700);
  const lock = lockFolder(path.join(workDir, 'owner.lock'), options.dataDir);
  try {
    const binaries = options.binaries ?? findPostgresBinaries(workDir);
    const cluster = new Cluster(workDir, binaries, options.log);
    await cluster.prepare();
    const child = await cluster.launch();
    return supervise(child, cluster, lock.release);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function supervise(child: RunningChild, cluster: Cluster, release: () => void): EmbeddedPostgres {
  const watcher = child.watcher;
  const exited = child.exited.then((exit) => {
    watcher?.dismiss();
    release();
    return exit;
  });
  return {
    dsn: cluster.dsn(),
    pid: child.pid,
    description: cluster.description,
    exited,
    stop: async () => {
      if (!child.hasEnded()) await stopPostmaster(child.pid);
      await exited;
      cluster.removeSocketDir();
    },
  };
}

interface RunningChild {
  readonly pid: number;
  /** Null when it could not even be started. */
  readonly watcher: ProcessWatcher | null;
  readonly exited: Promise<PostgresExit>;
  hasEnded(): boolean;
  /** What it wrote last; once it has ended, all that was on the way is waited for. */
  lastWords(): Promise<string>;
}

class Cluster {
  readonly #workDir: string;
  readonly #clusterDir: string;
  readonly #passwordFile: string;
  readonly #socketDir: string;
  readonly #binaries: PostgresBinaries;
  readonly #account: PostgresAccount;
  readonly #log: StoreLog;

  constructor(workDir: string, binaries: PostgresBinaries, log: StoreLog) {
    this.#workDir = workDir;
    this.#clusterDir = path.join(workDir, 'cluster');
    this.#passwordFile = path.join(workDir, 'password');
    this.#socketDir = chooseSocketDir(workDir);
    this.#binaries = binaries;
    this.#account = choosePostgresAccount(binaries, workDir, this.#clusterDir);
    this.#log = log;
  }

  get description(): string {
    return `PostgreSQL ${this.#binaries.major}, ${this.#account.description}`;
  }

  dsn(): string {
    const password = readFileSync(this.#passwordFile, 'utf8').trim();
    return `postgres://${role}:${password}@${encodeURIComponent(this.#socketDir)}:${port}/${database}`;
  }

  /** Everything up to the start: the cluster exists, nobody runs on it, the settings are written. */
  async prepare(): Promise<void> {
    this.#account.own(this.#workDir);
    if (!existsSync(this.#clusterDir)) await this.#initialize();
    const clusterMajor = Number(readFileSync(path.join(this.#clusterDir, 'PG_VERSION'), 'utf8'));
    if (clusterMajor !== this.#binaries.major) {
      throw new NflowError('not_available', `The data folder was made by PostgreSQL ${clusterMajor}`, {
        got: `PostgreSQL ${this.#binaries.major} at ${this.#binaries.postgres}`,
        expected: `PostgreSQL ${clusterMajor}`,
        remedy: 'export with the version of nFlow that made it, and import into a new data folder',
      });
    }
    await endOrphan(this.#clusterDir, this.#log);
    makeSocketDir(this.#socketDir);
    this.#account.own(this.#socketDir);
    const settings = embeddedSettings(
      this.#socketDir,
      this.#binaries.major,
      machineMemoryBytes(),
      freeDiskBytes(this.#clusterDir),
    );
    this.#write('postgresql.conf', renderSettings(settings));
    this.#write('pg_hba.conf', '# Written by nFlow at every start: changes are lost.\nlocal all all scram-sha-256\n');
  }

  /** Starts the server and waits until it takes connections; recovery after a crash may take its time. */
  async launch(): Promise<RunningChild> {
    const giveUpMs = performance.now() + leftoverPatienceMs;
    for (;;) {
      const child = this.#spawn();
      try {
        await this.#untilReady(child);
        await ensureDatabase(this.dsn());
        return child;
      } catch (error) {
        const leftovers = (await child.lastWords()).includes('shared memory block');
        if (!child.hasEnded()) await stopPostmaster(child.pid);
        child.watcher?.dismiss();
        if (!leftovers || performance.now() > giveUpMs) throw error;
        await delay(100);
      }
    }
  }

  removeSocketDir(): void {
    if (path.dirname(this.#socketDir) !== this.#workDir) rmSync(this.#socketDir, { recursive: true, force: true });
  }

  /** In a folder of another name first: a cluster whose making was interrupted is never taken for one. */
  async #initialize(): Promise<void> {
    const startedMs = performance.now();
    const draftDir = `${this.#clusterDir}.partial`;
    rmSync(draftDir, { recursive: true, force: true });
    if (!existsSync(this.#passwordFile)) {
      writeFileSync(this.#passwordFile, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
      this.#account.own(this.#passwordFile);
    }
    // The builtin provider exists from 17 on; before, C is the only collation that no system update changes.
    const locale = this.#binaries.major >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'] : [];
    // Unwatched it would go on for seconds after we were killed, and then remove the folder in which our successor makes its own.
    const { child, watcher } = this.#run('end', this.#binaries.initdb, [
      `--pgdata=${draftDir}`,
      `--username=${role}`,
      `--pwfile=${this.#passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      ...locale,
      '--data-checksums',
      '--no-instructions',
    ]);
    const output: string[] = [];
    child.stdout?.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    const exit = await new Promise<PostgresExit>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal }));
    }).finally(() => watcher?.dismiss());
    if (exit.code !== 0) {
      throw new NflowError('internal_error', 'The database cluster could not be made', {
        got: `initdb ended with ${exit.code ?? exit.signal}: ${output.join('').trim().split('\n').slice(-3).join(' ')}`,
        remedy: `check free disk and permissions of ${this.#workDir}`,
      });
    }
    renameSync(draftDir, this.#clusterDir);
    this.#log.info({ durationMs: Math.round(performance.now() - startedMs) }, 'made a new PostgreSQL cluster');
  }

  #spawn(): RunningChild {
    const { child, watcher } = this.#run('stop', this.#binaries.postgres, ['-D', this.#clusterDir]);
    let ended = false;
    const lines: string[] = [];
    const exited = new Promise<PostgresExit>((resolve) => {
      child.once('error', (error) => {
        lines.push(error.message);
        ended = true;
        resolve({ code: null, signal: null });
      });
      child.once('exit', (code, signal) => {
        ended = true;
        resolve({ code, signal });
      });
    });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        if (lines.length > outputLinesKept) lines.shift();
        this.#logLine(line);
      });
    }
    const silent = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const pid = child.pid ?? -1;
    return {
      pid,
      watcher,
      exited,
      hasEnded: () => ended,
      lastWords: async () => {
        // Backends that outlive their server for a moment hold the pipe open.
        if (ended) await Promise.race([silent, delay(lastWordsPatienceMs, undefined, { ref: false })]);
        return lines.join('\n');
      },
    };
  }

  /**
   * Starts a program of PostgreSQL behind a gate: a shell, which becomes the program when it is told to, and ends when there is nobody
   * left to tell. It is told once there is a watcher, so there is no moment at which the program could outlive us.
   */
  #run(how: WatchedEnd, program: string, args: string[]): { child: ChildProcess; watcher: ProcessWatcher | null } {
    const [first, ...rest] = [...this.#account.prefix, '/bin/sh', '-c', gate, 'nflow-postgres', program, ...args];
    const child = spawn(first as string, rest, {
      cwd: this.#workDir,
      env: postgresEnvironment(this.#binaries.libraryDir),
      stdio: ['pipe', 'pipe', 'pipe'],
      // A process group of its own: Ctrl-C on the terminal is for us, who drain before the database stops.
      detached: true,
      ...(this.#account.ids ?? {}),
    });
    const watcher = child.pid === undefined ? null : new ProcessWatcher(child.pid, how);
    // One that has ended already tells it by its exit.
    child.stdin?.on('error', () => {}).end('\n');
    return { child, watcher };
  }

  /** PostgreSQL writes its state into the last line of its pid file. */
  async #untilReady(child: RunningChild): Promise<void> {
    const file = path.join(this.#clusterDir, 'postmaster.pid');
    let saidMs = performance.now();
    for (;;) {
      if (child.hasEnded()) {
        const exit = await child.exited;
        throw new NflowError('internal_error', 'PostgreSQL did not start', {
          got: `it ended with ${exit.code ?? exit.signal}: ${await child.lastWords()}`,
          remedy: `see what it says; its folder is ${this.#clusterDir}`,
        });
      }
      const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
      if (Number(lines[0]) === child.pid && lines[7]?.trim() === 'ready') return;
      if (performance.now() - saidMs > 10_000) {
        saidMs = performance.now();
        this.#log.info({ pid: child.pid }, 'PostgreSQL is still starting: it may be recovering from a crash');
      }
      await delay(5);
    }
  }

  #write(name: string, text: string): void {
    const file = path.join(this.#clusterDir, name);
    writeFileSync(file, text, { mode: 0o600 });
    this.#account.own(file);
  }

  #logLine(line: string): void {
    const level = /^(LOG|WARNING|ERROR|FATAL|PANIC)/.exec(line)?.[1];
    const fields = { source: 'postgres' };
    if (level === 'PANIC') this.#log.error(fields, line);
    // FATAL ends one connection, not the server.
    else if (level === 'WARNING' || level === 'ERROR' || level === 'FATAL') this.#log.warn(fields, line);
    else this.#log.debug(fields, line);
  }
}

async function ensureDatabase(dsn: string): Promise<void> {
  const client = await connect({ ...parseDsn(dsn), database: 'postgres' }, 'start');
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${database}`);
  } finally {
    await client.end();
  }
}

function chooseSocketDir(workDir: string): string {
  const inside = path.join(workDir, 'socket');
  if (Buffer.byteLength(path.join(inside, `.s.PGSQL.${port}.lock`)) <= socketPathMax) return inside;
  const name = createHash('sha256').update(workDir).digest('hex').slice(0, 16);
  return path.join(os.tmpdir(), `nflow-${process.getuid?.() ?? 0}-${name}`);
}

/** The temporary folder is everybody's: one that somebody else prepared there is refused. */
function makeSocketDir(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  const ours = stat.isDirectory() && (process.getuid?.() === 0 || stat.uid === process.getuid?.());
  if (!ours) {
    throw new NflowError('internal_error', `The socket folder ${folder} is not ours`, {
      got: `a ${stat.isDirectory() ? 'folder' : 'file'} of uid ${stat.uid}`,
      remedy: 'remove it, or use a data folder with a shorter path',
    });
  }
  chmodSync(folder, 0o700);
}
