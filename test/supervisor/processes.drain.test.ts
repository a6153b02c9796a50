/** A whole server is told to stop while it is at work: what its clients see, when it ends, and what it leaves. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readThreadCpuMs } from '../../src/dispatch/process-usage.ts';
import { processTree, survivors } from '../cli/running-server.ts';
import { until } from '../cli/spawned.ts';
import { codeWorkflow } from '../cli/workflow-files.ts';
import { RawClient } from '../server/server-under-test.ts';
import { type NflowServer, type NflowServerOptions, startNflowServer } from '../support/nflow-server.ts';
import { startTargetServer, type TargetServer } from '../support/target-server.ts';

const get = (path: string): object => ({ type: 'http', method: 'GET', path });
const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** Beyond what a runner uses to start and to make its VMs. */
const stuckCpuMs = 1_000;

interface Scene {
  target: TargetServer;
  server: NflowServer;
  port: number;
  options: NflowServerOptions;
}

/** A server with a workflow that waits until the target lets it go, and one that never ends. */
async function setUp(t: TestContext, drainTimeout: string): Promise<Scene> {
  const target = await startTargetServer();
  t.after(() => target.stop());
  // With its first unsafe effect an execution has a row: from then on it is one that goes on.
  const held = `await ctx.http.post('${target.url}/paid', {});
    const { body } = await ctx.http.get('${target.url}/slow?hold');
    return { path: body.path };`;
  const endless = 'return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)';
  const options: NflowServerOptions = {
    workflows: {
      held: codeWorkflow('held', held, get('/held')),
      quick: codeWorkflow('quick', 'return { quick: true }', get('/quick')),
      stuck: { ...codeWorkflow('stuck', endless, get('/stuck')), durability: 'ephemeral', timeout: '10m' },
    },
    egressAllow: [`127.0.0.1:${target.port}`],
    env: { NFLOW_SERVER__DRAIN_TIMEOUT: drainTimeout },
  };
  const server = await startNflowServer(t, options);
  return { target, server, port: Number(new URL(server.address).port), options };
}

async function untilDraining({ server }: Scene): Promise<void> {
  await until('the server to say that it is stopping', async () => {
    const response = await fetch(`${server.address}/ready`, { headers: { connection: 'close' } });
    const { reasons } = (await response.json()) as { reasons: string[] };
    return response.status === 503 && reasons.includes('the server is stopping');
  });
}

/** Of files that only a running server, or one that was not stopped in order, has. */
function filesOfProcesses({ server }: Scene): string[] {
  const folder = join(server.folder, 'data');
  const inPostgres = join(folder, 'postgres');
  return [...readdirSync(folder), ...readdirSync(inPostgres), ...readdirSync(join(inPostgres, 'socket'))].filter(
    (name) => /\.(lock|draft|stale|closing|partial)|^gateway|^\.s\.PGSQL/.test(name),
  );
}

test('a stopping server says so first, finishes what runs, refuses what comes, and closes connections that would be kept', async (t) => {
  const scene = await setUp(t, '60s');
  const { server, target, port } = scene;
  const tree = processTree(server.supervisorPid);
  using running = await RawClient.connect(port);
  using kept = await RawClient.connect(port);
  kept.send(request('/quick'));
  const first = await kept.answer();
  assert.equal(first.status, 200);
  assert.notEqual(first.headers.get('connection'), 'close');
  running.send(request('/held'));
  await until('the request to be at the target', () => target.log().length === 2);

  const stopped = server.stop();
  await untilDraining(scene);
  using late = await RawClient.connect(port);
  for (const client of [kept, late]) {
    client.send(request('/quick'));
    const refused = await client.answer();
    assert.equal(refused.status, 503);
    assert.equal(JSON.parse(refused.body).code, 'draining');
    assert.equal(refused.headers.get('retry-after'), '1');
    assert.equal(refused.headers.get('connection'), 'close');
    await client.ended();
  }
  assert.equal((await fetch(`${server.address}/health`)).status, 200);

  target.release();
  const answer = await running.answer();
  assert.equal(answer.status, 200);
  assert.deepEqual(JSON.parse(answer.body), { path: '/slow' });
  assert.equal(answer.headers.get('connection'), 'close');
  await running.ended();
  await stopped;
  assert.deepEqual(survivors(tree), []);
  assert.deepEqual(filesOfProcesses(scene), []);
});

test('past the drain time a server ends in order all the same, also with a stuck runner, and what is durable goes on at the next start', async (t) => {
  const scene = await setUp(t, '300ms');
  const { server, target, options } = scene;
  const tree = processTree(server.supervisorPid);
  const held = assert.rejects(fetch(`${server.address}/held`));
  await until('the request to be at the target', () => target.log().length === 2);
  const used = new Map(server.runnerPids().map((pid) => [pid, readThreadCpuMs(pid) ?? 0]));
  const stuck = assert.rejects(fetch(`${server.address}/stuck`));
  await until('a runner to be stuck', () =>
    server.runnerPids().some((pid) => (readThreadCpuMs(pid) ?? 0) - (used.get(pid) ?? 0) > stuckCpuMs),
  );
  await server.stop();
  await Promise.all([held, stuck]);
  assert.deepEqual(survivors(tree), []);
  // The gateway was not killed: it let go of everything by itself.
  assert.deepEqual(filesOfProcesses(scene), []);

  target.release();
  const next = await startNflowServer(t, { ...options, folder: server.folder });
  await until('the execution to succeed', async () => {
    const response = await fetch(`${next.address}/nflow/api/v1/executions?workflow=held`);
    const { items } = (await response.json()) as { items: { status: string }[] };
    return items.length === 1 && items[0]?.status === 'succeeded';
  });
  assert.equal(target.log().filter(({ path }) => path === '/paid').length, 1);
  await next.stop();
});

test('a second Ctrl-C ends everything at once, and the next start finds nothing in its way', async (t) => {
  const scene = await setUp(t, '60s');
  const { server, target, options } = scene;
  const tree = processTree(server.supervisorPid);
  const broken = assert.rejects(fetch(`${server.address}/held`));
  await until('the request to be at the target', () => target.log().length === 2);
  process.kill(server.supervisorPid, 'SIGINT');
  await untilDraining(scene);
  await until('everything to be gone', () => {
    // The first ones may still count as an echo of the one before.
    if (survivors(tree).some((one) => one.startsWith(`${server.supervisorPid} `)))
      process.kill(server.supervisorPid, 'SIGINT');
    return survivors(tree).length === 0;
  });
  await broken;
  assert.equal(existsSync(join(server.folder, 'data', 'postgres', 'cluster', 'postmaster.pid')), false);
  const next = await startNflowServer(t, { ...options, folder: server.folder });
  assert.equal((await fetch(`${next.address}/quick`)).status, 200);
  await next.stop();
  assert.deepEqual(filesOfProcesses(scene), []);
});
