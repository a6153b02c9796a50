/** A whole server as a user starts it: launcher, supervisor, PostgreSQL, gateway and runners, in a folder and on a port of its own. */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isProcessAlive, signalProcess } from '../../src/store/embedded/process-identity.ts';
import { findProcess, type ProcessOfServer, processTree, survivors } from '../cli/running-server.ts';
import { until } from './condition.ts';
import { doneFile, folderVariable, type KillOrder, orderFile } from './kill-at.ts';
import { placePreparedCluster } from './postgres.ts';

/** Takes what is to be done when the test is over. */
export type Cleanup = Pick<TestContext, 'after'>;

export interface NflowServerOptions {
  /** Name of the workflow → definition. */
  workflows: Record<string, object>;
  /** `host:port` that its workflows may call. */
  egressAllow: string[];
  /** Another PostgreSQL than the embedded one. */
  dsn?: string;
  /** Configuration keys by the names that they have in the environment. */
  env?: Record<string, string>;
  /** Where its data is; the folder of an earlier server of the test continues that one's. */
  folder?: string;
}

export interface NflowServer {
  /** Such as `http://127.0.0.1:40123`. */
  readonly address: string;
  /** Config, workflows, data. */
  readonly folder: string;
  /** Of the database that it uses. */
  readonly dsn: string;
  readonly supervisorPid: number;
  /** Of the gateway that runs now; 0 while there is none. */
  gatewayPid(): number;
  runnerPids(): number[];
  /** Everything that its processes wrote. */
  output(): string;
  /**
   * Stops the supervisor from starting again what dies, until `go` is called; a gateway serves meanwhile as ever. So what a killed
   * gateway left can be read before its successor goes on with it.
   */
  holdRestarts(): { go(): void };
  /** The gateway will end itself with SIGKILL at this point. */
  killAt(order: KillOrder): void;
  /** True once an order of `killAt` was carried out. */
  hasKilledItself(): boolean;
  /** SIGTERM; rejects when it does not end in order. */
  stop(): Promise<void>;
}

const launcher = fileURLToPath(new URL('../../bin/nflow.mjs', import.meta.url));
const preload = new URL('./kill-at.ts', import.meta.url).href;
const startTimeoutMs = 60_000;
const stopTimeoutMs = 60_000;

/** Starts it and waits until it takes traffic. What is left of it when the test is over is ended, and its folder removed. */
export async function startNflowServer(test: Cleanup, options: NflowServerOptions): Promise<NflowServer> {
  const folder = options.folder ?? temporaryFolder(test);
  const dataDir = join(folder, 'data');
  writeFiles(folder, options);
  if (options.dsn === undefined && !existsSync(dataDir)) await placePreparedCluster(dataDir);

  const child = spawn(
    process.execPath,
    [
      launcher,
      'start',
      '--config',
      join(folder, 'config.toml'),
      '--port',
      '0',
      '--workflows',
      join(folder, 'workflows'),
      '--data',
      dataDir,
    ],
    {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        ...options.env,
        NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${preload}`,
        // A gateway that is killed ten times compiles its code once.
        NODE_COMPILE_CACHE: join(tmpdir(), `nflow-test-compiled-${process.getuid?.() ?? 0}`),
        [folderVariable]: folder,
      },
    },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const pid = child.pid as number;
  test.after(() => endAll(pid));

  let hasEnded = false;
  void ended.then(() => {
    hasEnded = true;
  });
  await until('the server says that it is up', () => hasEnded || output.includes('Ctrl-C'), startTimeoutMs);
  const address = /http:\/\/[\d.]+:\d+/.exec(output)?.[0];
  if (hasEnded || address === undefined) throw new Error(`the server did not start:\n${output}`);
  const supervisorPid = findProcess(processTree(pid), 'cli/main').pid;

  return {
    address,
    folder,
    dsn: options.dsn ?? embeddedDsn(dataDir),
    supervisorPid,
    gatewayPid: () => having(processTree(supervisorPid), 'cli/gateway')[0] ?? 0,
    runnerPids: () => having(processTree(supervisorPid), 'runner/main'),
    output: () => output,
    holdRestarts: () => {
      signalProcess(supervisorPid, 'SIGSTOP');
      return { go: () => signalProcess(supervisorPid, 'SIGCONT') };
    },
    killAt: (order) => {
      rmSync(join(folder, doneFile), { force: true });
      writeFileSync(join(folder, `${orderFile}.draft`), JSON.stringify(order));
      renameSync(join(folder, `${orderFile}.draft`), join(folder, orderFile));
    },
    hasKilledItself: () => existsSync(join(folder, doneFile)),
    stop: async () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => void endAll(pid), stopTimeoutMs);
      const { code, signal } = await ended;
      clearTimeout(timer);
      if (code !== 0) throw new Error(`the server ended with ${code ?? signal}, not in order:\n${output}`);
    },
  };
}

function temporaryFolder(test: Cleanup): string {
  const folder = mkdtempSync(join(tmpdir(), 'nflow-server-'));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function writeFiles(folder: string, { workflows, egressAllow, dsn }: NflowServerOptions): void {
  const config = [
    '[server]',
    'host = "127.0.0.1"',
    ...(dsn === undefined ? [] : ['[database_nflow]', `dsn = ${JSON.stringify(dsn)}`]),
    '[egress]',
    `allow = ${JSON.stringify(egressAllow)}`,
  ];
  writeFileSync(join(folder, 'config.toml'), `${config.join('\n')}\n`, { mode: 0o600 });
  mkdirSync(join(folder, 'workflows'), { recursive: true });
  for (const [name, definition] of Object.entries(workflows)) {
    writeFileSync(join(folder, 'workflows', `${name}.workflow.json`), JSON.stringify(definition, null, 2));
  }
}

/** The address that the embedded server has in this data folder, whose path is short enough for a socket. */
function embeddedDsn(dataDir: string): string {
  const workDir = join(realpathSync(dataDir), 'postgres');
  const password = readFileSync(join(workDir, 'password'), 'utf8').trim();
  return `postgres://nflow:${password}@${encodeURIComponent(join(workDir, 'socket'))}:5432/nflow`;
}

function having(tree: ProcessOfServer[], text: string): number[] {
  return tree.filter(({ pid, command }) => command.includes(text) && isProcessAlive(pid)).map(({ pid }) => pid);
}

/** Ends a server that a failed test left in any state: held, half dead. */
async function endAll(launcherPid: number): Promise<void> {
  const tree = processTree(launcherPid);
  if (tree.length === 0) return;
  for (const { pid } of tree) signalProcess(pid, 'SIGCONT');
  signalProcess(launcherPid, 'SIGKILL');
  await until('a killed launcher leaves nothing', () => survivors(tree).length === 0).catch(() => {
    for (const { pid, startMark } of tree)
      if (survivors([{ pid, startMark, command: '' }]).length > 0) signalProcess(pid, 'SIGKILL');
  });
}
