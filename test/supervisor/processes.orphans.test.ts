/**
 * Each kind of process of a server is killed while the server is at work, and some while they only start: the server comes back and
 * answers, and after its end nothing of it is left. What is stuck in native code meanwhile is the matter of `server.orphans.test.ts`.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import {
  type ProcessOfServer,
  processesOn,
  processTree,
  type RunningServer,
  startServer,
  survivors,
} from '../cli/running-server.ts';
import { launcher, nflow, type Spawned, spawnNode, temporaryFolder, until } from '../cli/spawned.ts';
import { codeWorkflow, writeWorkflow } from '../cli/workflow-files.ts';

const linuxIsMissing = process.platform === 'linux' ? false : 'it looks at processes in /proc';

let cwd = '';
before((t) => {
  cwd = temporaryFolder(t as TestContext);
  const trigger = { type: 'http', method: 'GET', path: '/hello' };
  writeWorkflow(cwd, 'workflows/hello.workflow.json', codeWorkflow('hello', "return { hello: 'world' }", trigger));
});

type Kind = (candidate: ProcessOfServer) => boolean;

/** `unshare` has the runner's command line in its own. */
const holds = (command: string): boolean => /^\S*unshare /.test(command);
const isHolder: Kind = ({ command }) => command.includes('runner/main') && holds(command);
const isRunner: Kind = ({ command }) => command.includes('runner/main') && !holds(command);
const isGateway: Kind = ({ command }) => command.includes('cli/gateway');
const isSupervisor: Kind = ({ command }) => command.includes('cli/main') && !command.includes('bin/nflow');
const isPostmaster: Kind = ({ command }) => command.includes('bin/postgres -D');
const isBackend: Kind = ({ command }) => /^postgres: nflow nflow /.test(command);
const isInitdb: Kind = ({ command }) => command.includes('bin/initdb');

function kill({ pid }: ProcessOfServer): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // One that was only starting has already become another, or has ended.
  }
}

async function untilGone(what: string, processes: readonly ProcessOfServer[]): Promise<void> {
  await until(`${what} to be gone`, () => survivors(processes).length === 0).catch((error) => {
    throw new Error(`${error.message}; still there:\n${survivors(processes).join('\n')}`);
  });
}

/** A durable execution: gateway, runner and database take part. */
async function untilItAnswers({ address }: RunningServer, after: string): Promise<void> {
  await until(`an answer after the death of ${after}`, async () => {
    const signal = AbortSignal.timeout(20_000);
    const response = await fetch(`${address}/hello`, { signal, headers: { connection: 'close' } }).catch(() => null);
    await response?.arrayBuffer();
    return response?.status === 200;
  });
}

/** Of PostgreSQL: it writes its state into the control file, and its pid file is removed by an orderly stop only. */
function assertClusterWasShutDown(): void {
  const cluster = join(cwd, '.nflow', 'postgres', 'cluster');
  assert.equal(existsSync(join(cluster, 'postmaster.pid')), false, 'the pid file is left');
  // After the identifier (8 bytes) and two versions (4 each). 1 is "shut down".
  assert.equal(readFileSync(join(cluster, 'global', 'pg_control')).readInt32LE(16), 1, 'state of the cluster');
}

const victims: [name: string, isVictim: Kind][] = [
  ['a backend of PostgreSQL', isBackend],
  ['PostgreSQL', isPostmaster],
  ['a runner', isRunner],
  ['the process that holds the namespaces of a runner', isHolder],
  ['the gateway', isGateway],
];

test('a server comes back after the death of any of its processes, and a stop then leaves none of them', {
  skip: linuxIsMissing,
}, async (t) => {
  const server = await startServer(t, cwd);
  const everSeen: ProcessOfServer[] = [];
  for (const [name, isVictim] of victims) {
    await untilItAnswers(server, 'the one before');
    const tree = processTree(server.pid);
    everSeen.push(...tree);
    const victim = tree.find(isVictim);
    if (victim === undefined && isVictim === isHolder) {
      t.diagnostic('this machine gives runners no pid namespace: nothing holds one');
      continue;
    }
    assert.ok(victim !== undefined, `${name} in:\n${tree.map(({ command }) => command).join('\n')}`);
    kill(victim);
    await untilGone(name, [victim]);
    await untilItAnswers(server, name);
  }
  everSeen.push(...processTree(server.pid));
  server.child.kill('SIGTERM');
  assert.equal((await server.ended).code, 0);
  await untilGone('what a stopped server leaves', everSeen);
  assert.deepEqual(processesOn(cwd), []);
  assertClusterWasShutDown();
});

test('runners that are killed while they start leave nothing behind', { skip: linuxIsMissing }, async (t) => {
  const server = await startServer(t, cwd);
  const everSeen: ProcessOfServer[] = [];
  /** A process that was not there before: a holder, a shell that sets limits, Node that loads its code. */
  const untilNew = async (known: ReadonlySet<number>): Promise<ProcessOfServer> => {
    let fresh: ProcessOfServer | undefined;
    await until('a runner to start', () => {
      const tree = processTree(server.pid);
      everSeen.push(...tree);
      fresh = tree.find((one) => one.command.includes('runner/main') && !known.has(one.pid));
      return fresh !== undefined;
    });
    return fresh as ProcessOfServer;
  };
  for (let round = 0; round < 6; round++) {
    const tree = processTree(server.pid);
    const known = new Set(tree.map(({ pid }) => pid));
    const victim = tree.find(isRunner);
    if (victim !== undefined) kill(victim);
    const fresh = await untilNew(known);
    // Its holder in one round, what the holder has started by then in the next.
    const inner = processTree(fresh.pid).at(-1) ?? fresh;
    kill(round % 2 === 0 ? fresh : inner);
    everSeen.push(...processTree(server.pid));
  }
  await untilItAnswers(server, 'runners that only started');
  // And with the whole server, while yet another one starts.
  const tree = processTree(server.pid);
  const victim = tree.find(isRunner);
  assert.ok(victim !== undefined);
  kill(victim);
  await untilNew(new Set(tree.map(({ pid }) => pid)));
  const supervisor = processTree(server.pid).find(isSupervisor);
  assert.ok(supervisor !== undefined);
  kill(supervisor);
  everSeen.push(...processTree(server.pid));
  await untilGone('what a killed supervisor leaves', everSeen);
  await server.ended;
  await until('PostgreSQL and its helpers to be gone', () => processesOn(cwd).length === 0);
});

test('a killed supervisor takes everything down, PostgreSQL in order, and its lock is in nobody’s way', {
  skip: linuxIsMissing,
}, async (t) => {
  const server = await startServer(t, cwd);
  await untilItAnswers(server, 'nobody');
  const tree = processTree(server.pid);
  const supervisor = tree.find(isSupervisor);
  assert.ok(supervisor !== undefined);
  kill(supervisor);
  await untilGone('what a killed supervisor leaves', tree);
  assert.equal((await server.ended).code, 137);
  assert.deepEqual(processesOn(cwd), []);
  assertClusterWasShutDown();
  const lock = join(cwd, '.nflow', 'supervisor.lock');
  assert.match(readFileSync(lock, 'utf8'), new RegExp(`^${supervisor.pid} `));

  const next = await startServer(t, cwd);
  await untilItAnswers(next, 'the server before');
  const second = await nflow(t, ['start', '--port', '0'], { cwd });
  const holder = processTree(next.pid).find(isSupervisor);
  assert.equal(second.code, 4);
  assert.match(second.stderr, new RegExp(`in use by the server of process ${holder?.pid}`));
  assert.match(second.stderr, new RegExp(`it runs since 20\\d\\d-.*Z and answers at ${next.address}`));
  assert.match(second.stderr, new RegExp(`stop process ${holder?.pid}, or start with another --data folder`));
  next.child.kill('SIGTERM');
  assert.equal((await next.ended).code, 0);
  assert.deepEqual(
    readdirSync(join(cwd, '.nflow')).filter((name) => /\.(lock|draft|stale|closing)|^gateway/.test(name)),
    [],
    'what is left in the data folder',
  );
});

/** The moments of a first start, each told by a process that is there for the first time. */
const moments: [name: string, kind: Kind][] = [
  ['initdb makes the database', isInitdb],
  ['PostgreSQL starts', isPostmaster],
  ['the gateway starts its first runner', (candidate) => isHolder(candidate) || isRunner(candidate)],
];

test('a supervisor that is killed at any moment of a first start leaves nothing, and the next start is a whole one', {
  skip: linuxIsMissing,
}, async (t) => {
  const fresh = temporaryFolder(t);
  for (const [name, kind] of moments) {
    const { started, supervisor, tree } = await startUntil(t, fresh, name, kind);
    const second = name === moments[0]?.[0] ? await nflow(t, ['start', '--port', '0'], { cwd: fresh }) : null;
    kill(supervisor);
    await untilGone(`what a supervisor leaves that was killed while ${name}`, tree);
    await started.ended;
    await until('whatever it started meanwhile to be gone', () => processesOn(fresh).length === 0);
    if (second === null) continue;
    assert.equal(second.code, 4);
    assert.match(second.stderr, new RegExp(`in use by the server of process ${supervisor.pid}`));
  }
  const server = await startServer(t, fresh);
  const tree = processTree(server.pid);
  assert.equal((await fetch(`${server.address}/ready`)).status, 200);
  server.child.kill('SIGTERM');
  assert.equal((await server.ended).code, 0);
  assert.deepEqual(survivors(tree), []);
});

async function startUntil(
  t: TestContext,
  folder: string,
  moment: string,
  kind: Kind,
): Promise<{ started: Spawned; supervisor: ProcessOfServer; tree: ProcessOfServer[] }> {
  const started = spawnNode(t, [launcher, 'start', '--port', '0'], { cwd: folder, detached: true });
  let tree: ProcessOfServer[] = [];
  await until(`the moment when ${moment}`, () => {
    tree = processTree(started.pid);
    return tree.some(kind);
  });
  const supervisor = tree.find(isSupervisor);
  assert.ok(supervisor !== undefined);
  return { started, supervisor, tree };
}
