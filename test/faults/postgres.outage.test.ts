import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../support/condition.ts';
import { type NflowServer, startNflowServer } from '../support/nflow-server.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { startTargetServer, type TargetServer } from '../support/target-server.ts';
import { type Answered, isAnswered, type Outcome, post } from './client.ts';
import { readDatabase } from './database.ts';
import { isReady, untilAllIsOver } from './killed-gateway.ts';
import { orderWorkflow } from './order-workflow.ts';
import { report } from './report.ts';
import { faultTestTimeoutMs, sizes } from './sizes.ts';

/** Two servers on one PostgreSQL: each could take over what it believes the other has left. */
const serverCount = 2;
const requestIntervalMs = 100;
/** Successes that are waited for before an outage begins, and after it. */
const answersAround = 20;
/** Short, so that runs end while PostgreSQL is away, too. */
const workflowTimeout = '4s';
/** A request of before the outage may be answered a moment into it. */
const noticeMs = 1_500;
const recoveryTimeoutMs = 60_000;

const ways: {
  name: string;
  begin(postgres: TestPostgres): void | Promise<void>;
  end(postgres: TestPostgres): void | Promise<void>;
}[] = [
  { name: 'killed', begin: (postgres) => postgres.kill(), end: (postgres) => postgres.restart() },
  { name: 'stopped', begin: (postgres) => postgres.pause(), end: (postgres) => postgres.resume() },
];

/** A request to each server at every interval, whatever became of those before, until `stop`. */
class Load {
  readonly outcomes: Outcome[] = [];
  readonly #asked: Promise<void>[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(servers: readonly NflowServer[], name: string) {
    this.#timer = setInterval(() => {
      for (const { address } of servers) this.#asked.push(this.#ask(address, `${name}-${this.#asked.length + 1}`));
    }, requestIntervalMs);
  }

  /** Resolves when every request has its outcome. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#asked);
  }

  answeredSince(sinceMs: number, status: number): Answered[] {
    return this.outcomes.filter(isAnswered).filter((outcome) => outcome.status === status && outcome.atMs > sinceMs);
  }

  async #ask(address: string, run: string): Promise<void> {
    this.outcomes.push(await post(address, 'order', run));
  }
}

test('PostgreSQL killed or stopped under load: no false success, 503 meanwhile, nothing taken over, and it recovers', {
  timeout: faultTestTimeoutMs,
}, async (t) => {
  const postgres = await startTestPostgres();
  t.after(() => postgres.stop());
  const target = await startTargetServer();
  t.after(() => target.stop());
  const options = {
    workflows: { order: orderWorkflow(target.url, workflowTimeout) },
    egressAllow: [`127.0.0.1:${target.port}`],
    dsn: postgres.dsn,
  };
  const servers = await Promise.all(Array.from({ length: serverCount }, () => startNflowServer(t, options)));
  const gateways = servers.map((server) => server.gatewayPid());
  const outcomes: Outcome[] = [];
  for (const outageMs of sizes.outagesMs) {
    for (const way of ways) {
      const name = `${way.name} for ${outageMs / 1000} s`;
      const load = new Load(servers, name.replaceAll(' ', '-'));
      t.after(() => load.stop());
      await until(
        `${name}: the load to be under way`,
        () => load.answeredSince(0, 200).length >= answersAround,
        30_000,
      );
      const beganMs = performance.now();
      await way.begin(postgres);
      await delay(noticeMs);
      assert.deepEqual(await Promise.all(servers.map(isReady)), [false, false], `${name}: ready without PostgreSQL`);
      await delay(Math.max(0, outageMs - (performance.now() - beganMs)));
      const endedMs = performance.now();
      await way.end(postgres);
      const isRecovered = (): boolean => load.answeredSince(endedMs, 200).length >= answersAround;
      await until(`${name}: requests to be answered again`, isRecovered, recoveryTimeoutMs);
      const recoveredMs = performance.now() - endedMs;
      for (const server of servers) await until(`${name}: ready again`, () => isReady(server), recoveryTimeoutMs);
      await load.stop();
      await untilAllIsOver(postgres.dsn);

      assert.deepEqual(
        servers.map((server) => server.gatewayPid()),
        gateways,
        `${name}: a gateway was started again`,
      );
      assertRefusals(load.answeredSince(0, 503), beganMs, endedMs);
      outcomes.push(...load.outcomes);
      await assertOutcomes(postgres.dsn, outcomes);
      assertPerformedOnce(target);
      report(t, `PostgreSQL ${name}`, null, {
        requests: load.outcomes.length,
        succeeded: load.answeredSince(0, 200).length,
        refused: load.answeredSince(0, 503).length,
        timedOut: load.answeredSince(0, 504).length,
        recoveredMs: Math.round(recoveredMs),
        takenOver: 0,
      });
    }
  }
  for (const server of servers) await server.stop();
});

function assertRefusals(refused: readonly Answered[], beganMs: number, endedMs: number): void {
  const meanwhile = refused.filter(({ atMs }) => atMs > beganMs && atMs < endedMs);
  assert.ok(meanwhile.length > 0, 'nothing was refused while PostgreSQL was away');
  for (const { body, retryAfter, run } of refused) {
    assert.equal((JSON.parse(body) as { code: string }).code, 'store_unavailable', `${run}: ${body}`);
    assert.ok(Number(retryAfter) >= 1, `${run} was refused with Retry-After: ${retryAfter}`);
  }
}

/** What the clients were told is in the database, and nobody took over anything. */
async function assertOutcomes(dsn: string, outcomes: readonly Outcome[]): Promise<void> {
  const { executions, incarnations } = await readDatabase(dsn);
  const byId = new Map(executions.map((row) => [row.id, row]));
  for (const outcome of outcomes) {
    assert.ok(isAnswered(outcome), `${outcome.run}: ${JSON.stringify(outcome)}`);
    const row = byId.get(outcome.executionId ?? '');
    const seen = `${outcome.run} was answered ${outcome.status}: ${outcome.body}`;
    switch (outcome.status) {
      case 200:
        assert.equal(row?.status, 'succeeded', seen);
        assert.equal(row?.output, outcome.body, seen);
        break;
      // Its own time was over before PostgreSQL was back, and that could be recorded.
      case 504:
        assert.equal(row?.status, 'timed_out', seen);
        break;
      default:
        assert.equal(outcome.status, 503, seen);
    }
  }
  for (const row of executions) assert.equal(row.takeovers, 0, `${row.run} was taken over`);
  assert.deepEqual(
    incarnations.map(({ state }) => state),
    Array.from({ length: serverCount }, () => 'live'),
  );
}

/** Nobody died, so there was no reason to perform anything twice. */
function assertPerformedOnce(target: TargetServer): void {
  const paths = target.log().map(({ path }) => path);
  assert.equal(new Set(paths).size, paths.length, 'an effect was performed twice');
}
