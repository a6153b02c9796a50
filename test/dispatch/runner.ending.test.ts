/** Runners that end at odd moments: dismissed while they are stuck, killed while they start or while everything closes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import { inspectIsolation } from '../../src/dispatch/isolation/inspect.ts';
import { readChildPid, searchChildPid } from '../../src/dispatch/isolation/only-child.ts';
import { readThreadCpuMs } from '../../src/dispatch/process-usage.ts';
import { isProcessAlive } from '../../src/store/embedded/process-identity.ts';
import { until } from '../support/condition.ts';
import { startTestDispatcher } from '../support/execution-harness.ts';
import { dispatch, programOf } from './dispatched.ts';

const procIsMissing = process.platform === 'linux' ? false : 'it looks at processes in /proc';

/** A native loop: no timeout of an isolate ends it. */
const endless = 'return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);';

async function startDispatcher(t: TestContext, options: Parameters<typeof startTestDispatcher>[0] = {}) {
  const dispatcher = await startTestDispatcher(options);
  t.after(() => dispatcher.close());
  return dispatcher;
}

async function assertAnswers(dispatcher: RunnerDispatcher): Promise<void> {
  const { outcome, loss } = await dispatch(dispatcher, programOf('quick', 'return 1;')).ended;
  assert.equal(outcome?.output.toString(), '1', loss?.kind ?? 'no loss');
}

test('a runner that is dismissed while a dropped run is stuck in it is killed all the same', {
  skip: procIsMissing,
}, async (t) => {
  const dispatcher = await startDispatcher(t, { idleTimeoutMs: 20 });
  const before = new Set(dispatcher.pids);
  const stuck = dispatch(dispatcher, programOf('stuck', endless, 'strangers'));
  let pid = 0;
  await until('the runner of the group to be in the loop', () => {
    pid = dispatcher.readyPids.find((each) => !before.has(each)) ?? 0;
    return pid !== 0 && dispatcher.stats().vmInUse > 0;
  });
  const cpuMs = readThreadCpuMs(pid) ?? 0;
  await until('it to use its CPU', () => (readThreadCpuMs(pid) ?? 0) > cpuMs + 20);
  // Nobody asks for the group any more: it is dissolved long before the watchdog would call the runner overdue.
  stuck.handle.drop();
  await until('the runner to be gone', () => !isProcessAlive(pid));
  await assertAnswers(dispatcher);
});

test('runners that are killed while they start are replaced, and what waits for one is answered', {
  skip: procIsMissing,
}, async (t) => {
  const dispatcher = await startDispatcher(t);
  const seen = new Set<number>();
  for (let round = 0; round < 4; round++) {
    const [victim] = dispatcher.pids;
    assert.ok(victim !== undefined);
    process.kill(victim, 'SIGKILL');
    // The next one is killed as soon as it can be seen: it is then a shell, or Node that loads its code.
    await until('another to start', () => dispatcher.pids.some((pid) => pid !== victim && !seen.has(pid)));
    for (const pid of dispatcher.pids) seen.add(pid);
  }
  await assertAnswers(dispatcher);
});

test('a runner that is killed while everything closes is no error', { skip: procIsMissing }, async () => {
  const dispatcher = await startTestDispatcher({ runners: 2 });
  const { pids } = dispatcher;
  const closing = dispatcher.close();
  for (const pid of pids) if (isProcessAlive(pid)) process.kill(pid, 'SIGKILL');
  await closing;
  assert.deepEqual(pids.filter(isProcessAlive), []);
});

test('closing ends a runner that is stuck, and one that only starts', { skip: procIsMissing }, async () => {
  const dispatcher = await startTestDispatcher({ maxExecutionMs: 60_000 });
  const [pid = 0] = dispatcher.pids;
  const cpuMs = readThreadCpuMs(pid) ?? 0;
  dispatch(dispatcher, programOf('stuck', endless));
  await until('the runner to be stuck', () => (readThreadCpuMs(pid) ?? 0) > cpuMs + 200);
  // A trust group of its own: its runner is being made at this moment.
  dispatch(dispatcher, programOf('other', 'return 1;', 'strangers'));
  const { pids } = dispatcher;
  assert.equal(pids.length, 2);
  await dispatcher.close();
  assert.deepEqual(pids.filter(isProcessAlive), []);
});

test('a process that has ended is not taken for one that lacks isolation', { skip: procIsMissing }, () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const pid = child.pid as number;
  assert.notEqual(inspectIsolation(pid), null);
  child.kill('SIGKILL');
  // Its end is reaped in a later turn of the event loop: until then it is a zombie.
  const deadlineMs = performance.now() + 15_000;
  const isZombie = (): boolean => /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  while (!isZombie()) assert.ok(performance.now() < deadlineMs, 'it does not end');
  assert.equal(inspectIsolation(pid), null);
});

test('the child of a holder is found on a kernel without lists of children too', { skip: procIsMissing }, async (t) => {
  const holder = spawn('/bin/sh', ['-c', 'sleep 60 & echo up; wait'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  t.after(() => process.kill(-(holder.pid as number), 'SIGKILL'));
  await new Promise((resolve) => holder.stdout?.once('data', resolve));
  const pid = holder.pid as number;
  const found = searchChildPid(pid);
  assert.notEqual(found, 0);
  assert.equal(found, readChildPid(pid));
  assert.equal(searchChildPid(found), 0);
});
