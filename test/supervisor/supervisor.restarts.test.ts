import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isProcessAlive } from '../../src/store/embedded/process-identity.ts';
import type { PostgresLife } from '../../src/supervisor/supervisor.ts';
import { supervise, temporaryFolder, until } from './supervised.ts';

test('a request made while the gateway is dead is answered by its successor', async (t) => {
  const { start, ask } = supervise(t);
  await start();
  const first = await ask();
  process.kill(first.pid, 'SIGKILL');
  await until('the first gateway to be gone', () => !isProcessAlive(first.pid));
  const second = await ask();
  assert.notEqual(second.pid, first.pid);
});

test('a gateway is told which incarnation died before it, until it has taken over', async (t) => {
  const { start, ask } = supervise(t);
  await start();
  const first = await ask();
  assert.deepEqual(first.dead, []);
  process.kill(first.pid, 'SIGKILL');
  const second = await ask();
  assert.deepEqual(second.dead, [first.incarnation]);
  process.kill(second.pid, 'SIGKILL');
  const third = await ask();
  assert.deepEqual(third.dead, [second.incarnation]);
});

test('an incarnation that nobody took over yet stays on the list', async (t) => {
  const { start, ask } = supervise(t, 'never take over');
  await start();
  const first = await ask();
  process.kill(first.pid, 'SIGKILL');
  const second = await ask();
  process.kill(second.pid, 'SIGKILL');
  const third = await ask();
  assert.deepEqual(third.dead, [first.incarnation, second.incarnation]);
});

test('the incarnations of a killed server are handed to the next one on its data folder', async (t) => {
  const dataDir = temporaryFolder(t);
  const killed = supervise(t, null, { dataDir });
  await killed.start();
  const { pid, incarnation } = await killed.ask();
  killed.supervisor.kill();
  await until('the gateway to be gone', () => !isProcessAlive(pid));
  const next = supervise(t, null, { dataDir });
  await next.start();
  assert.deepEqual((await next.ask()).dead, [incarnation]);
});

test('a gateway that an earlier supervisor left running is ended before a new one starts', async (t) => {
  const dataDir = temporaryFolder(t);
  const earlier = supervise(t, null, { dataDir });
  await earlier.start();
  const left = await earlier.ask();
  const next = supervise(t, null, { dataDir });
  await next.start();
  assert.equal(isProcessAlive(left.pid), false);
  assert.deepEqual((await next.ask()).dead, [left.incarnation]);
  // Two supervisors on one folder cannot be in the field, where the folder is locked: the earlier one must not start another.
  await earlier.supervisor.stop();
});

test('an orderly stop ends the gateway and leaves nothing to take over', async (t) => {
  const dataDir = temporaryFolder(t);
  const { supervisor, start, ask } = supervise(t, null, { dataDir });
  await start();
  const { pid } = await ask();
  assert.equal(existsSync(join(dataDir, 'gateway.json')), true);
  await supervisor.stop();
  assert.equal(isProcessAlive(pid), false);
  assert.equal(existsSync(join(dataDir, 'gateway.json')), false);
});

test('a gateway that does not end after its drain time is killed, and its executions are taken over at the next start', async (t) => {
  const dataDir = temporaryFolder(t);
  const stuck = supervise(t, 'never drain', { dataDir });
  await stuck.start();
  const { pid, incarnation } = await stuck.ask();
  await stuck.supervisor.stop();
  assert.equal(isProcessAlive(pid), false);
  const next = supervise(t, null, { dataDir });
  await next.start();
  assert.deepEqual((await next.ask()).dead, [incarnation]);
});

test('a gateway that refuses to serve ends the start with its error', async (t) => {
  const { start } = supervise(t, 'refuse');
  await assert.rejects(start(), { code: 'store_unavailable', message: 'no database' });
});

test('a gateway that keeps dying before it is ready ends the start', async (t) => {
  const { start } = supervise(t, 'die');
  await assert.rejects(start(), { code: 'internal_error', message: /ended 5 times.*exit code 1/ });
});

test('a database server that dies is started again and the gateway is left alone', async (t) => {
  const pids: number[] = [];
  const startPostgres = async (): Promise<PostgresLife> => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    const pid = child.pid as number;
    pids.push(pid);
    const exited = new Promise<string>((resolve) => child.once('exit', (_code, signal) => resolve(`signal ${signal}`)));
    const kill = (): void => void child.kill('SIGKILL');
    const stop = async (): Promise<void> => {
      kill();
      await exited;
    };
    return { pid, dsn: 'postgres://nobody@localhost/none', exited, stop, kill };
  };
  const { supervisor, start, ask } = supervise(t, null, { startPostgres });
  await start();
  const before = await ask();
  process.kill(pids[0] as number, 'SIGKILL');
  await until('the second database server', () => pids.length === 2);
  assert.equal((await ask()).pid, before.pid);
  await supervisor.stop();
  assert.equal(isProcessAlive(pids[1] as number), false);
});

test('a stop during the start waits for what was starting and ends it', async (t) => {
  const started = Promise.withResolvers<void>();
  let isRunning = false;
  const ended = Promise.withResolvers<string>();
  const startPostgres = async (): Promise<PostgresLife> => {
    await started.promise;
    isRunning = true;
    const kill = (): void => {
      isRunning = false;
      ended.resolve('stopped');
    };
    return { pid: 1, dsn: 'postgres://nobody@localhost/none', exited: ended.promise, stop: async () => kill(), kill };
  };
  const { supervisor } = supervise(t, null, { startPostgres });
  const starting = supervisor.start();
  const stopping = supervisor.stop();
  started.resolve();
  await assert.rejects(starting, { code: 'draining' });
  await stopping;
  assert.equal(isRunning, false);
});
