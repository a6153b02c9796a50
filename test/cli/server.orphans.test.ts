/** Each process of a server is killed, while a runner is stuck in native code that heeds nothing: what it had started ends too. */
import assert from 'node:assert/strict';
import { before, type TestContext, test } from 'node:test';
import { readThreadCpuMs } from '../../src/dispatch/process-usage.ts';
import { type ProcessOfServer, processTree, type RunningServer, startServer, survivors } from './running-server.ts';
import { temporaryFolder, until } from './spawned.ts';
import { codeWorkflow, writeWorkflow } from './workflow-files.ts';

let cwd = '';
before((t) => {
  cwd = temporaryFolder(t as TestContext);
  const endless = 'return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)';
  const stuck = codeWorkflow('stuck', endless, { type: 'http', method: 'GET', path: '/stuck' });
  writeWorkflow(cwd, 'workflows/stuck.workflow.json', { ...stuck, durability: 'ephemeral', timeout: '10m' });
});

/** Beyond what a runner uses to start and to make its VMs. */
const stuckCpuMs = 1_000;

/** `unshare` has the runner's command line in its own. */
const holds = (command: string): boolean => /^\S*unshare /.test(command);
const isRunner = ({ command }: ProcessOfServer): boolean => command.includes('runner/main') && !holds(command);
const isHolder = ({ command }: ProcessOfServer): boolean => command.includes('runner/main') && holds(command);
const isGateway = ({ command }: ProcessOfServer): boolean => command.includes('cli/gateway');
const isSupervisor = ({ command }: ProcessOfServer): boolean => command.includes('cli/main');
const isPostmaster = ({ command }: ProcessOfServer): boolean => command.includes('bin/postgres -D');
const isWatcher = ({ command }: ProcessOfServer): boolean => command.includes('nflow-postgres-watcher');

/** Asks for something that never ends, and waits until a runner is in it. */
async function getStuck(server: RunningServer): Promise<ProcessOfServer> {
  await until('the gateway to answer', async () => {
    const response = await fetch(`${server.address}/ready`).catch(() => null);
    return response?.status === 200;
  });
  const used = new Map<number, number>();
  let stuck: ProcessOfServer | undefined;
  fetch(`${server.address}/stuck`).catch(() => {});
  await until('a runner to be stuck', () => {
    stuck = processTree(server.pid)
      .filter(isRunner)
      .find(({ pid }) => {
        const cpuMs = readThreadCpuMs(pid) ?? 0;
        const firstMs = used.get(pid) ?? cpuMs;
        used.set(pid, firstMs);
        return cpuMs - firstMs >= stuckCpuMs;
      });
    return stuck !== undefined;
  });
  return stuck as ProcessOfServer;
}

async function untilGone(what: string, processes: readonly ProcessOfServer[]): Promise<void> {
  await until(`${what} to be gone`, () => survivors(processes).length === 0).catch((error) => {
    throw new Error(`${error.message}; still there:\n${survivors(processes).join('\n')}`);
  });
}

/** All that it started, directly or not, and itself. */
function descendants({ pid }: ProcessOfServer): ProcessOfServer[] {
  return processTree(pid);
}

const victims: [name: string, isVictim: (candidate: ProcessOfServer) => boolean][] = [
  ['the runner that is stuck', isRunner],
  ['the process that holds the namespaces of a stuck runner', isHolder],
  ['the gateway', isGateway],
  ['PostgreSQL', isPostmaster],
];

test('whichever process is killed, all that it had started ends, also a runner that is stuck in native code', {
  skip: process.platform === 'linux' ? false : 'it looks at processes in /proc',
}, async (t) => {
  const server = await startServer(t, cwd);
  for (const [name, isVictim] of victims) {
    const stuck = await getStuck(server);
    const tree = processTree(server.pid);
    // The holder of the stuck runner is the one whose descendant that is.
    const victim = tree.find(
      (candidate) =>
        isVictim(candidate) && (isPostmaster(candidate) || descendants(candidate).some(({ pid }) => pid === stuck.pid)),
    );
    if (victim === undefined && isVictim === isHolder) {
      t.diagnostic('this machine gives runners no pid namespace: nothing holds one');
      continue;
    }
    assert.ok(victim !== undefined, `${name} in:\n${tree.map(({ command }) => command).join('\n')}`);
    const started = descendants(victim);
    process.kill(victim.pid, 'SIGKILL');
    await untilGone(name, started);
    assert.deepEqual(survivors(tree.filter(isSupervisor)).length, 1, 'the supervisor goes on');
  }

  await getStuck(server);
  const tree = processTree(server.pid);
  const supervisor = tree.find(isSupervisor);
  assert.ok(supervisor !== undefined);
  process.kill(supervisor.pid, 'SIGKILL');
  await untilGone('what a killed supervisor leaves', tree);
  assert.equal((await server.ended).code, 137);
});

test('a killed watcher of PostgreSQL is missed by nobody: the server still stops in order', {
  skip: process.platform === 'linux' ? false : 'it looks at processes in /proc',
}, async (t) => {
  const server = await startServer(t, cwd);
  const tree = processTree(server.pid);
  const watcher = tree.find(isWatcher);
  assert.ok(watcher !== undefined);
  process.kill(watcher.pid, 'SIGKILL');
  await untilGone('the watcher', [watcher]);
  server.child.kill('SIGTERM');
  assert.equal((await server.ended).code, 0);
  assert.deepEqual(survivors(tree), []);
});
