/** Real Redis servers, one or a Cluster of three, on free ports and with folders of their own. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './condition.ts';
import type { Cleanup } from './nflow-server.ts';

const run = promisify(execFile);

/** Why tests with Redis are skipped; false where it is there. */
export const redisMissing: string | false =
  spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).error === undefined
    ? false
    : 'there is no redis-server on this machine: `node tools/machine.ts` installs it on Debian, or says what to install';

export interface TestRedis {
  port: number;
  address: string;
  pid(): number;
  /** What `redis-cli` prints. */
  cli(...words: string[]): Promise<string>;
  /** SIGSTOP and SIGCONT: it accepts connections, and answers nothing. */
  pause(): void;
  goOn(): void;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same port; nothing of what it held is left. */
  startAgain(): Promise<void>;
}

/** Ended, and its folder removed, when the test is over. */
export async function startTestRedis(test: Cleanup, ...settings: string[]): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'nflow-redis-'));
  const port = await freePort();
  let child: ChildProcess;
  const start = async (): Promise<void> => {
    const words = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
    child = spawn('redis-server', [...words, ...settings], { stdio: 'ignore' });
    await once(child, 'spawn');
    await until('Redis answers', async () => (await cli('PING').catch(() => '')).match(/PONG|NOAUTH/) !== null);
  };
  const cli = async (...words: string[]): Promise<string> =>
    (await run('redis-cli', ['-p', String(port), ...words], { timeout: 10_000 })).stdout;
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  test.after(async () => {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  });
  await start();
  return {
    port,
    address: `127.0.0.1:${port}`,
    pid: () => child.pid ?? 0,
    cli,
    pause: () => child.kill('SIGSTOP'),
    goOn: () => child.kill('SIGCONT'),
    kill,
    startAgain: start,
  };
}

/** Three masters that share the slots. */
export async function startTestCluster(test: Cleanup): Promise<TestRedis[]> {
  const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'];
  const nodes = await Promise.all([0, 1, 2].map(() => startTestRedis(test, ...settings)));
  const addresses = nodes.map(({ address }) => address);
  await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'], { timeout: 60_000 });
  await until('the Cluster works', async () => {
    const states = await Promise.all(nodes.map((node) => node.cli('CLUSTER', 'INFO')));
    return states.every((state) => state.includes('cluster_state:ok'));
  });
  return nodes;
}

/** Below those that systems give to clients, and so low that the port of a Cluster's bus, 10000 higher, exists. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
