/** The processes of a server: started by the launcher, killed one after the other, stopped in order. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { findProcess, processTree, type RunningServer, startServer, survivors } from './running-server.ts';
import { launcher, nflow, temporaryFolder, until } from './spawned.ts';
import { codeWorkflow, orderTotal, writeWorkflow } from './workflow-files.ts';

const get = (path: string): object => ({ type: 'http', method: 'GET', path });

/** All tests share one data folder, so that its database is made once; each starts its own server on it. */
let cwd = '';
before((t) => {
  cwd = temporaryFolder(t as TestContext);
  writeWorkflow(cwd, 'workflows/total.workflow.json', orderTotal);
  writeWorkflow(
    cwd,
    'workflows/hello.workflow.json',
    codeWorkflow('hello', "return { hello: 'world' }", get('/hello')),
  );
  writeWorkflow(
    cwd,
    'workflows/slow.workflow.json',
    codeWorkflow('slow', "await ctx.sleep('3s'); return { slow: true }", get('/slow')),
  );
  writeWorkflow(cwd, 'workflows/bad.workflow.json', codeWorkflow('bad', 'return +;', get('/bad')));
});

async function hello(server: RunningServer): Promise<unknown> {
  const response = await fetch(`${server.address}/hello`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(20_000),
  });
  assert.equal(response.status, 200);
  return response.json();
}

async function untilGone(tree: ReturnType<typeof processTree>): Promise<void> {
  await until('every process to be gone', () => survivors(tree).length === 0).catch((error) => {
    throw new Error(`${error.message}; still there:\n${survivors(tree).join('\n')}`);
  });
}

test('a server answers, tells commands that work, shows its history, and stops in order on SIGTERM', async (t) => {
  const server = await startServer(t, cwd);
  assert.match(server.banner, /workflows +3 published, 0 unchanged, 1 mistake/);
  assert.match(server.banner, /workflows\/bad\.workflow\.json:\d+:\d+ syntax-error/);

  const commands = server.banner.split('Try in another terminal:\n')[1]?.split('\n').slice(0, 3) ?? [];
  const outputs: string[] = [];
  for (const command of commands) {
    const local = command.trim().replace('npx nflow', `'${process.execPath}' '${launcher}'`);
    outputs.push((await promisify(execFile)('/bin/sh', ['-c', local], { cwd })).stdout);
  }
  assert.equal(outputs[0], '{"hello":"world"}');
  assert.equal(outputs[1], '{"ok":true,"total":10,"name":"Ada"}');
  assert.match(
    outputs[2] ?? '',
    /^id +workflow +version +status +trigger +started +took\n[0-9a-f]{8} +order-total +1 +succeeded +http /,
  );

  const listed = await nflow(t, ['ls', '--json', '--workflow', 'order-total', '--server', server.address]);
  const { items } = JSON.parse(listed.stdout) as { items: { id: string }[] };
  assert.equal(items.length, 1);
  const id = items[0]?.id ?? '';
  const shown = await nflow(t, ['show', id.slice(-8), '--server', server.address]);
  assert.match(shown.stdout, /^order-total version 1 {2}succeeded/);
  assert.match(shown.stdout, new RegExp(`id +${id}`));
  assert.match(shown.stdout, /work +code +succeeded +[\d.]+ ms +[\d.]+ ms +\{"ok":true/);
  const missing = await nflow(t, ['show', '00000000', '--server', server.address]);
  assert.match(missing.stderr, /error not_found/);
  assert.equal(missing.code, 1);

  const tree = processTree(server.pid);
  server.child.kill('SIGTERM');
  const { code, signal } = await server.ended;
  assert.deepEqual({ code, signal }, { code: 0, signal: null });
  assert.deepEqual(survivors(tree), []);
  assert.equal(existsSync(join(cwd, '.nflow', 'gateway.json')), false);
  assert.equal(existsSync(join(cwd, '.nflow', 'supervisor.lock')), false);
});

test('the gateway and PostgreSQL are started again when they are killed, and a request made meanwhile is answered', async (t) => {
  const server = await startServer(t, cwd);
  assert.match(server.banner, /workflows +0 published, 3 unchanged, 1 mistake/);
  const first = findProcess(processTree(server.pid), 'cli/gateway');
  process.kill(first.pid, 'SIGKILL');
  await until('the gateway to be gone', () => survivors([first]).length === 0);
  assert.deepEqual(await hello(server), { hello: 'world' });
  const second = findProcess(processTree(server.pid), 'cli/gateway');
  assert.notEqual(second.pid, first.pid);

  const postgres = findProcess(processTree(server.pid), 'bin/postgres');
  process.kill(postgres.pid, 'SIGKILL');
  await until('a durable execution to be committed again', async () => {
    const response = await fetch(`${server.address}/hello`, { signal: AbortSignal.timeout(20_000) });
    await response.arrayBuffer();
    assert.ok(response.status === 200 || response.status === 503, `status ${response.status}`);
    return response.status === 200 && survivors([postgres]).length === 0;
  });
  const tree = processTree(server.pid);
  assert.equal(findProcess(tree, 'cli/gateway').pid, second.pid);

  process.kill(findProcess(tree, 'cli/main').pid, 'SIGKILL');
  await untilGone(tree);
  assert.equal((await server.ended).code, 137);
});

test('after a killed supervisor the next start on its data folder works, and a killed launcher leaves nothing alive', async (t) => {
  const server = await startServer(t, cwd);
  assert.deepEqual(await hello(server), { hello: 'world' });
  const tree = processTree(server.pid);
  server.child.kill('SIGKILL');
  await untilGone(tree);
});

test('a second start on the data folder, and one on the port, say who holds it and end with 4', async (t) => {
  const server = await startServer(t, cwd);
  const supervisorPid = findProcess(processTree(server.pid), 'cli/main').pid;
  const sameFolder = await nflow(t, ['start', '--port', '0'], { cwd });
  assert.match(sameFolder.stderr, new RegExp(`error conflict: .*${supervisorPid}`));
  assert.match(sameFolder.stderr, new RegExp(`since 20\\d\\d-.*Z and answers at ${server.address}`));
  assert.equal(sameFolder.code, 4);
  const port = new URL(server.address).port;
  const samePort = await nflow(t, ['start', '--port', port, '--data', join(temporaryFolder(t), 'data')], { cwd });
  assert.match(samePort.stderr, new RegExp(`error conflict: Port ${port} on 127\\.0\\.0\\.1 is taken`));
  assert.equal(samePort.code, 4);
  assert.deepEqual(await hello(server), { hello: 'world' });
  // Ctrl-C at a terminal: launcher and supervisor get the signal, and the launcher forwards it once more.
  process.kill(-server.pid, 'SIGINT');
  assert.equal((await server.ended).code, 0);
});

test('what is in flight at SIGTERM is finished; a second signal ends everything at once with 143', async (t) => {
  const server = await startServer(t, cwd);
  const inFlight = fetch(`${server.address}/slow`);
  await until('the request to be in flight', () => hasOpenExecution(server));
  const tree = processTree(server.pid);
  server.child.kill('SIGTERM');
  const response = await inFlight;
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { slow: true });
  assert.equal((await server.ended).code, 0);
  assert.deepEqual(survivors(tree), []);

  const impatient = await startServer(t, cwd);
  const broken = fetch(`${impatient.address}/slow`);
  broken.catch(() => {});
  await until('the request to be in flight', () => hasOpenExecution(impatient));
  const itsTree = processTree(impatient.pid);
  impatient.child.kill('SIGTERM');
  await until('the drain to begin', async () => (await fetch(`${impatient.address}/ready`)).status === 503);
  // Later than what counts as an echo of the first signal.
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 300);
  await promise;
  impatient.child.kill('SIGTERM');
  assert.equal((await impatient.ended).code, 143);
  await assert.rejects(broken);
  await untilGone(itsTree);
});

/** VMs that hold an unfinished run. */
async function hasOpenExecution(server: RunningServer): Promise<boolean> {
  const text = await (await fetch(`${server.address}/metrics`)).text();
  return Number(/^nflow_vm_pool_in_use (\d+)/m.exec(text)?.[1]) > 0;
}

test('no runner holds the listening socket', async (t) => {
  const server = await startServer(t, cwd);
  const tree = processTree(server.pid);
  const inode = listeningInode(Number(new URL(server.address).port));
  const holders = tree.filter(({ pid }) => openSockets(pid).includes(inode)).map(({ command }) => command);
  assert.equal(holders.length, 2, holders.join('\n'));
  assert.ok(
    holders.some((command) => command.includes('cli/main')) &&
      holders.some((command) => command.includes('cli/gateway')),
  );
  server.child.kill('SIGTERM');
  await server.ended;
});

function listeningInode(port: number): string {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find((row) => row.includes(`:${hexPort} 00000000:0000 0A`));
  return line?.trim().split(/\s+/)[9] ?? 'none';
}

function openSockets(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? ''];
    } catch {
      return [];
    }
  });
}
