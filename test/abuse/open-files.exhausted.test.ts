import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { signalProcess } from '../../src/store/embedded/process-identity.ts';
import { until } from '../support/condition.ts';
import { startNflowServer } from '../support/nflow-server.ts';
import { startTargetServer } from '../support/target-server.ts';
import { AbuseClient } from './client.ts';
import { readSettledState, untilBackTo } from './server-state.ts';

/** Descriptors that the gateway may still open. */
const left = 6;
const clients = 400;
/** To PostgreSQL, opened when there is much to do; they are kept. */
const databaseConnections = 8;

function limitOpenFiles(pid: number, count: number): void {
  const { status, stderr } = spawnSync('prlimit', [`--pid=${pid}`, `--nofile=${count}:`], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

test('a gateway that can open no more files ends nothing, and goes on when it can again', {
  skip: spawnSync('prlimit', ['--version']).error === undefined ? false : 'prlimit is not installed',
}, async (t) => {
  const target = await startTargetServer();
  t.after(() => target.stop());
  const calling = { type: 'http', method: 'GET', url: `${target.url}/ok`, next: 'reply' };
  const server = await startNflowServer(t, {
    workflows: {
      calling: {
        format: 1,
        name: 'calling',
        triggers: [{ type: 'http', method: 'GET', path: '/calling' }],
        durability: 'durable',
        nodes: { call: calling, reply: { type: 'respond', body: { ok: true } } },
      },
    },
    egressAllow: [new URL(target.url).host],
    // Connections to the target that are kept would be counted as left behind.
    env: { NFLOW_HTTP_CLIENT__MAX_IDLE_CONNS: '0' },
  });
  const ask = async (): Promise<number> =>
    (await fetch(`${server.address}/calling`, { headers: { connection: 'close' } })).status;
  assert.equal(await ask(), 200);
  const before = await readSettledState(server);
  const pid = server.gatewayPid();

  // Above the highest one: numbers below it that are free are used first.
  const highest = Math.max(...readdirSync(`/proc/${pid}/fd`).map(Number));
  limitOpenFiles(pid, highest + 1 + left);
  const port = Number(new URL(server.address).port);
  const open = await Promise.all(Array.from({ length: clients }, (_, n) => AbuseClient.connect(port, n)));
  for (const client of open) client?.send('GET /calling HTTP/1.1\r\nHost: x\r\n\r\n');
  // With no descriptor left a runner dies as well, and cannot be replaced yet.
  signalProcess(server.runnerPids()[0] as number, 'SIGKILL');
  const answers = await Promise.all(open.map((client) => client?.answer() ?? null));
  const statuses = answers.map((answer) => answer?.status ?? 'ended');
  const counts = Map.groupBy(statuses, String);
  t.diagnostic([...counts].map(([status, all]) => `${all.length} × ${status}`).join(', '));
  assert.ok(statuses.includes('ended'), 'the limit was felt');
  for (const client of open) client?.close();

  assert.equal(server.gatewayPid(), pid, `the gateway ended:\n${server.output()}`);
  limitOpenFiles(pid, 4096);
  await until('the workflow answers again', async () => (await ask().catch(() => 0)) === 200, 60_000);
  assert.equal(server.gatewayPid(), pid, 'the gateway is the same one');
  const isWhole = (): boolean => server.runnerPids().length >= before.runnerPids.length;
  await until('the runner is replaced', isWhole, 60_000);
  const { runnerPids } = await readSettledState(server);
  // libuv opens one descriptor at the first EMFILE, to have one for closing connections at the next.
  const socket = (before.descriptors.socket ?? 0) + databaseConnections;
  const descriptors = { ...before.descriptors, socket, '/': 1 };
  await untilBackTo({ ...before, runnerPids, descriptors }, server);
  await server.stop();
});
