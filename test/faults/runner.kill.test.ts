import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signalProcess } from '../../src/store/embedded/process-identity.ts';
import { until } from '../support/condition.ts';
import { startNflowServer } from '../support/nflow-server.ts';
import { startTargetServer } from '../support/target-server.ts';
import { report } from './report.ts';
import { faultTestTimeoutMs } from './sizes.ts';
import { assertAllSucceed, startWaiting, waitingWorkflow } from './waiting-runs.ts';

const runs = 200;

test('200 runs in flight all succeed when their runner is killed, and again when its successor is', {
  timeout: faultTestTimeoutMs,
}, async (t) => {
  const target = await startTargetServer();
  t.after(() => target.stop());
  const server = await startNflowServer(t, {
    workflows: { waiting: waitingWorkflow(target.url) },
    egressAllow: [`127.0.0.1:${target.port}`],
  });
  const gateway = server.gatewayPid();
  const outcomes = await startWaiting(
    server,
    target,
    Array.from({ length: runs }, (_, i) => `run-${i + 1}`),
  );
  for (let kill = 0; kill < 2; kill++) {
    const runners = server.runnerPids();
    assert.ok(runners.length > 0, 'there is no runner');
    for (const pid of runners) signalProcess(pid, 'SIGKILL');
    await until('other runners', () => server.runnerPids().some((pid) => !runners.includes(pid)), 30_000);
  }
  await assertAllSucceed(outcomes, target);
  assert.equal(server.gatewayPid(), gateway);
  report(t, 'runners killed with runs in flight', null, { kills: 2, runs, failed: 0 });
  await server.stop();
});
