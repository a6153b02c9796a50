/**
 * A real PostgreSQL for a test file: the embedded server in a folder of its own, which can be killed, paused and restarted.
 * Databases are clones of a template that has the store's schema, so a test begins with an empty store in milliseconds.
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseDsn } from '../../src/config/dsn.ts';
import { connect } from '../../src/store/connect.ts';
import { type PostgresBinaries, readBinaryFolder } from '../../src/store/embedded/binaries.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/store/embedded/server.ts';
import type { StoreLog } from '../../src/store/log.ts';
import { migrate } from '../../src/store/migrate.ts';
import { makePartitions } from '../../src/store/partitions.ts';

export const silentLog: StoreLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export interface TestPostgres {
  /** Of the database `nflow`, which is empty: no schema. */
  readonly dsn: string;
  /** Clones the template: a new database with the store's schema and no rows. Returns its DSN. */
  createDatabase(): Promise<string>;
  /** Stops the server and removes its folder. */
  stop(): Promise<void>;
  /** SIGKILL to the server; resolves when all of its processes are gone. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the same folder and with the same DSNs. */
  restart(): Promise<void>;
  /** SIGSTOP to the server and all of its processes: it neither answers nor refuses. */
  pause(): void;
  /** SIGCONT after `pause`. */
  resume(): void;
}

const templateDatabase = 'nflow_template';

/**
 * @param options.binaries another server than the one of the package; its cluster is made from scratch. Default: those of the folder
 *   that `NFLOW_TEST_POSTGRES` names, which `tools/postgres-versions.ts` sets.
 */
export async function startTestPostgres(options: { binaries?: PostgresBinaries } = {}): Promise<TestPostgres> {
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'nflow-test-'));
  const binaries = options.binaries ?? chosenBinaries();
  if (binaries === undefined) await placePreparedCluster(dataDir);
  const start = () => startEmbeddedPostgres({ dataDir, log: silentLog, binaries });
  let server: EmbeddedPostgres = await start();
  if (binaries !== undefined) await makeTemplate(server.dsn);
  const dsn = server.dsn;
  let databases = 0;
  let paused: number[] = [];

  const administer = async (statement: string): Promise<void> => {
    const client = await connect({ ...parseDsn(dsn), database: 'postgres' }, 'test');
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  };
  const resume = () => {
    for (const pid of paused) signal(pid, 'SIGCONT');
    paused = [];
  };

  return {
    dsn,
    createDatabase: async () => {
      const name = `test_${++databases}`;
      await administer(`CREATE DATABASE ${name} TEMPLATE ${templateDatabase}`);
      return dsn.replace(/\/nflow$/, `/${name}`);
    },
    stop: async () => {
      resume();
      // Nobody reads it again: no need to write everything down first.
      signal(server.pid, 'SIGQUIT');
      await server.exited;
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
    kill: async () => {
      const family = [server.pid, ...childrenOf(server.pid)];
      signal(server.pid, 'SIGKILL');
      await server.exited;
      while (family.some(isAlive)) await delay(5);
    },
    restart: async () => {
      server = await start();
    },
    pause: () => {
      // The parent first: it makes no new process while its children are listed.
      signal(server.pid, 'SIGSTOP');
      const children = childrenOf(server.pid);
      for (const pid of children) signal(pid, 'SIGSTOP');
      paused = [...children, server.pid];
    },
    resume,
  };
}

function chosenBinaries(): PostgresBinaries | undefined {
  const folder = process.env.NFLOW_TEST_POSTGRES;
  if (folder === undefined) return undefined;
  const binaries = readBinaryFolder(folder);
  if (binaries === null) throw new Error(`NFLOW_TEST_POSTGRES: there are no initdb and postgres that run in ${folder}`);
  return binaries;
}

/** Gives a data folder a cluster without running initdb for it: the server's first start there then takes no longer than others. */
export async function placePreparedCluster(dataDir: string): Promise<void> {
  cpSync(await preparedCluster(), path.join(dataDir, 'postgres'), { recursive: true, preserveTimestamps: true });
}

async function makeTemplate(dsn: string): Promise<void> {
  const admin = await connect({ ...parseDsn(dsn), database: 'postgres' }, 'test');
  await admin.query(`CREATE DATABASE ${templateDatabase}`);
  await admin.end();
  const client = await connect({ ...parseDsn(dsn), database: templateDatabase }, 'test');
  await migrate(client);
  await makePartitions(client, Date.now(), silentLog);
  await client.end();
}

/** Making a cluster and the schema takes seconds: they are kept in the temporary folder, by what they are made of, and copied. */
async function preparedCluster(): Promise<string> {
  const ingredients = createHash('sha256');
  ingredients.update(readFileSync(new URL('../../package-lock.json', import.meta.url)));
  for (const folder of ['embedded', 'migrations']) {
    const url = new URL(`../../src/store/${folder}/`, import.meta.url);
    for (const file of readdirSync(url)) ingredients.update(readFileSync(new URL(file, url)));
  }
  const name = `nflow-test-cluster-${process.getuid?.() ?? 0}-${ingredients.digest('hex').slice(0, 16)}`;
  const kept = path.join(os.tmpdir(), name);
  if (existsSync(kept)) return kept;
  const dataDir = mkdtempSync(path.join(os.tmpdir(), 'nflow-test-init-'));
  try {
    const server = await startEmbeddedPostgres({ dataDir, log: silentLog });
    await makeTemplate(server.dsn);
    await server.stop();
    renameSync(path.join(dataDir, 'postgres'), kept);
  } catch (error) {
    // Another test file was faster.
    if (!existsSync(kept)) throw error;
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
  return kept;
}

/** Linux only, like every test that stops or kills a server. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => readStat(pid)?.parent === parent);
}

function isAlive(pid: number): boolean {
  const stat = readStat(pid);
  return stat !== null && stat.state !== 'Z' && stat.state !== 'X';
}

function readStat(pid: number): { state: string; parent: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state = '', parent] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state, parent: Number(parent) };
  } catch {
    return null;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
