import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startNflowServer } from '../support/nflow-server.ts';
import { startTargetServer } from '../support/target-server.ts';
import { isAnswered, post } from './client.ts';
import { readDatabase } from './database.ts';
import { report } from './report.ts';
import { faultTestTimeoutMs } from './sizes.ts';
import { assertAllSucceed, startWaiting, waitingWorkflow } from './waiting-runs.ts';

interface Killer {
  code: string;
  limitMs: number;
  ends: RegExp;
}

/** Of each way to go wrong one: test/dispatch/runner.faults.test.ts has the others, below HTTP. */
const killers: Record<string, Killer> = {
  // It takes a second or two to fail, and fails twice: the second time alone in a runner.
  'v8-fatal': { code: 'return "x".repeat(2 ** 28).split("").length;', limitMs: 30_000, ends: /^run_crashed$/ },
  'endless-loop': { code: 'for (;;) {}', limitMs: 1_000, ends: /^run_timed_out$/ },
  'json-parse-loop': {
    code: 'const text = JSON.stringify("x".repeat(10_000_000)); for (;;) JSON.parse(text);',
    limitMs: 1_000,
    ends: /^run_(timed_out|crashed)$/,
  },
  'array-bomb': {
    code: 'const all = []; for (;;) all.push(new Array(1000).fill(all.length));',
    limitMs: 1_000,
    ends: /^run_(timed_out|crashed)$/,
  },
  'index-of': {
    code: 'return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);',
    limitMs: 1_000,
    ends: /^run_timed_out$/,
  },
};

/** Within its limit and a second; the second is tested at five times its value. */
const lateMs = 5_000;
const waitingRuns = 100;

function killerWorkflow(name: string, { code, limitMs }: Killer): object {
  return {
    format: 1,
    name,
    triggers: [{ type: 'http', method: 'POST', path: `/${name}/:run` }],
    durability: 'durable',
    timeout: `${limitMs}ms`,
    nodes: { work: { type: 'code', code } },
  };
}

test('code that ends or wedges its process is ended within its limit, and 100 runs that wait meanwhile succeed', {
  timeout: faultTestTimeoutMs,
}, async (t) => {
  const target = await startTargetServer();
  t.after(() => target.stop());
  const server = await startNflowServer(t, {
    workflows: {
      waiting: waitingWorkflow(target.url),
      ...Object.fromEntries(Object.entries(killers).map(([name, killer]) => [name, killerWorkflow(name, killer)])),
    },
    egressAllow: [`127.0.0.1:${target.port}`],
  });
  const gateway = server.gatewayPid();
  const waiting = await startWaiting(
    server,
    target,
    Array.from({ length: waitingRuns }, (_, i) => `run-${i + 1}`),
  );
  const figures: Record<string, number> = {};
  for (const [name, { limitMs, ends }] of Object.entries(killers)) {
    const sentMs = performance.now();
    const outcome = await post(server.address, name, name);
    figures[`${name} ms`] = Math.round(outcome.atMs - sentMs);
    assert.ok(isAnswered(outcome), `${name}: ${JSON.stringify(outcome)}`);
    const { code } = JSON.parse(outcome.body) as { code: string };
    assert.match(code, ends, `${name}: ${outcome.body}`);
    assert.ok(outcome.atMs - sentMs < limitMs + lateMs, `${name} took ${Math.round(outcome.atMs - sentMs)} ms`);
    assert.equal(server.gatewayPid(), gateway, `${name} ended the gateway`);
  }
  await assertAllSucceed(waiting, target);
  assert.equal(server.gatewayPid(), gateway);
  const { executions } = await readDatabase(server.dsn);
  for (const name of Object.keys(killers)) {
    const rows = executions.filter(({ run }) => run === name);
    assert.equal(rows.length, 1);
    assert.match(rows[0]?.status ?? '', /^(timed_out|crashed)$/);
  }
  report(t, 'killers and endless loops', null, { ...figures, waitingRuns, failed: 0 });
  await server.stop();
});
