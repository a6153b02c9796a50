import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { parseDsn } from '../../src/config/dsn.ts';
import { NflowError } from '../../src/errors.ts';
import { connect } from '../../src/store/connect.ts';
import type { BeatTiming } from '../../src/store/incarnation.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { ResumableExecution, Store } from '../../src/store/port.ts';
import { QueryPool } from '../../src/store/query-pool.ts';
import { Takeover } from '../../src/store/takeover.ts';
import { until } from '../support/condition.ts';
import { makeEnd, makeEnded, makeRecord, makeStarted } from '../support/executions.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const never = Number.POSITIVE_INFINITY;
/** A lease that a loaded machine can keep, and that a test can wait for. */
const quick: BeatTiming = { leaseMs: 1_500, intervalMs: 200, mayActMs: 750 };

let postgres: TestPostgres;
let dsn: string;
const opened: Store[] = [];

before(async () => {
  postgres = await startTestPostgres();
});

beforeEach(async () => {
  dsn = await postgres.createDatabase();
});

afterEach(async () => {
  postgres.resume();
  await closeAll();
});

after(() => postgres.stop());

async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((store) => store.close(0)));
}

async function open(exclusive: boolean, beatTiming?: BeatTiming): Promise<Store> {
  const store = await openStore({ dsn, serverName: 'test', exclusive, unsafe: false, log: silentLog, beatTiming });
  opened.push(store);
  return store;
}

async function versionOf(store: Store): Promise<number> {
  return (await store.workflows.publish('shop', '{}')).version.versionId;
}

async function sqlClient(): Promise<pg.Client> {
  return connect(parseDsn(dsn), 'test');
}

async function takeAll(store: Store, dead: string[] = []): Promise<ResumableExecution[]> {
  const taken: ResumableExecution[] = [];
  const total = await store.incarnation.takeOver(dead, (executions) => taken.push(...executions));
  assert.equal(total, taken.length);
  return taken;
}

test('what a dead incarnation left is handed out with its journal in order, and belongs to the taker', async () => {
  const old = await open(false);
  const versionId = await versionOf(old);
  const execution = makeStarted(versionId, { inputHead: '{}', inputBody: '[1]', trigger: 'manual' });
  await old.ledger.start(execution, [makeRecord(2), makeRecord(1)], never);
  await old.ledger.append(execution.id, [makeRecord(4, { stepPath: 'a' }), makeRecord(3, { stepPath: 'b' })], never);
  await old.ledger.end(makeEnded(versionId), never);

  const young = await open(false);
  const [taken, ...others] = await takeAll(young, [old.incarnation.id]);
  assert.deepEqual(others, []);
  assert.deepEqual(
    { ...taken, journal: taken?.journal.map(({ order }) => order) },
    {
      ...execution,
      inputHead: '{"body":[1]}',
      inputBody: null,
      workflow: 'shop',
      takeoversWithoutProgress: 1,
      journal: [1, 2, 3, 4],
    },
  );
  await young.ledger.append(execution.id, [makeRecord(5)], never);
  await young.ledger.finish(execution.id, makeEnd(), never);
  assert.equal((await young.history.get(execution.id))?.status, 'succeeded');
  assert.deepEqual(await takeAll(young, [old.incarnation.id]), []);
});

test('who was taken over is told so, and nothing of it is written any more', async () => {
  const old = await open(false);
  const versionId = await versionOf(old);
  const execution = makeStarted(versionId);
  await old.ledger.start(execution, [], never);
  let fenced = 0;
  old.incarnation.onFenced(() => fenced++);

  const young = await open(false);
  assert.equal((await takeAll(young, [old.incarnation.id])).length, 1);
  assert.equal(fenced, 0);
  const results = await Promise.allSettled([
    old.ledger.append(execution.id, [makeRecord(1)], never),
    old.ledger.finish(execution.id, makeEnd(), never),
    old.ledger.start(makeStarted(versionId), [], never),
  ]);
  for (const result of results) {
    assert.ok(result.status === 'rejected' && result.reason instanceof NflowError);
    assert.equal(result.reason.code, 'store_unavailable');
  }
  assert.equal(fenced, 1);
  assert.equal(old.incarnation.mayAct, false);
  const stored = await young.history.get(execution.id);
  assert.equal(stored?.status, 'running');
  assert.deepEqual(stored?.journal, []);
});

test('a taker waits for the transaction that its victim has under way, and then sees all of it', async () => {
  const old = await open(false);
  const versionId = await versionOf(old);
  const execution = makeStarted(versionId);
  await old.ledger.start(execution, [], never);
  const young = await open(false);

  // The victim's own steps, stopped in the middle: checked as live, its record written, not committed.
  const victim = await sqlClient();
  await victim.query('BEGIN');
  await victim.query('SELECT nflow.assert_live($1)', [old.incarnation.id]);
  await victim.query(`INSERT INTO nflow.journal VALUES ($1, 'late', 1, 1, 'http', null, true, '1', 0, 0, 1)`, [
    execution.id,
  ]);
  const taking = takeAll(young, [old.incarnation.id]);
  // A transaction sees the activity of others as it was at its first look.
  const watcher = await sqlClient();
  await until('the taker to wait for the lock', async () => {
    const { rows } = await watcher.query<{ waiting: boolean }>(
      "SELECT count(*) > 0 AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    return rows[0]?.waiting === true;
  });
  await watcher.end();
  await victim.query('COMMIT');
  const [taken] = await taking;
  assert.deepEqual(
    taken?.journal.map(({ stepPath }) => stepPath),
    ['late'],
  );
  await assert.rejects(victim.query('SELECT nflow.assert_live($1)', [old.incarnation.id]), { code: 'NF001' });
  await victim.end();
});

test('an incarnation that waits for its check behind a taker fails it when the taker commits', async () => {
  const old = await open(false);
  const versionId = await versionOf(old);
  const taker = await sqlClient();
  await taker.query('BEGIN');
  await taker.query('SELECT 1 FROM nflow.incarnations WHERE id = $1 FOR UPDATE', [old.incarnation.id]);
  const execution = makeStarted(versionId);
  const refused = assert.rejects(
    old.ledger.start(execution, [], never),
    (error) => error instanceof NflowError && error.code === 'store_unavailable',
  );
  const watcher = await sqlClient();
  await until('the batch to wait for the lock', async () => {
    const { rows } = await watcher.query<{ waiting: boolean }>(
      "SELECT count(*) > 0 AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    return rows[0]?.waiting === true;
  });
  await taker.query("UPDATE nflow.incarnations SET state = 'dead' WHERE id = $1", [old.incarnation.id]);
  await taker.query('COMMIT');
  await refused;
  assert.equal(await old.history.get(execution.id), null);
  await Promise.all([taker.end(), watcher.end()]);
});

test('with a database of our own every earlier incarnation is taken at once', async () => {
  const old = await open(false);
  const versionId = await versionOf(old);
  await old.ledger.start(makeStarted(versionId), [], never);
  const young = await open(true);
  assert.equal((await takeAll(young)).length, 1);
});

test('a living incarnation is left alone, and taken when its beat stood still for a lease', async () => {
  const old = await open(false, quick);
  const versionId = await versionOf(old);
  await old.ledger.start(makeStarted(versionId), [], never);
  const young = await open(false, quick);
  await delay(quick.leaseMs * 1.5);
  assert.deepEqual(await takeAll(young), []);
  assert.ok(old.incarnation.mayAct);

  // Its beats stop: another connection holds its row.
  const holder = await sqlClient();
  await holder.query('BEGIN');
  await holder.query('SELECT 1 FROM nflow.incarnations WHERE id = $1 FOR UPDATE', [old.incarnation.id]);
  await until('the old one to hold still by itself', () => !old.incarnation.mayAct);
  await delay(quick.leaseMs * 1.5);
  let fenced = false;
  old.incarnation.onFenced(() => {
    fenced = true;
  });
  const taking = takeAll(young);
  await holder.query('ROLLBACK');
  const taken = await taking;
  // Either it was taken, or its waiting beat got through first: never both.
  if (taken.length === 1) await until('the old one to learn it', () => fenced);
  else await until('it to beat again', () => old.incarnation.mayAct);
  await holder.end();
});

test('PostgreSQL away for three leases moves nothing when it returns', async () => {
  const first = await open(false, quick);
  const versionId = await versionOf(first);
  await first.ledger.start(makeStarted(versionId), [], never);
  const second = await open(false, quick);
  let fenced = 0;
  for (const store of [first, second]) store.incarnation.onFenced(() => fenced++);
  postgres.pause();
  await delay(quick.leaseMs * 3);
  assert.equal(first.incarnation.mayAct, false);
  postgres.resume();
  await until('both to beat again', () => first.incarnation.mayAct && second.incarnation.mayAct);
  assert.deepEqual(await takeAll(second), []);
  await delay(quick.leaseMs * 1.2);
  assert.deepEqual(await takeAll(second), []);
  assert.deepEqual(await takeAll(first), []);
  assert.equal(fenced, 0);
});

test('takeovers without progress are counted; a new record or a clean stop starts the count again', async () => {
  const history: number[] = [];
  let owner = await open(false);
  const execution = makeStarted(await versionOf(owner));
  await owner.ledger.start(execution, [makeRecord(1)], never);
  const takeNext = async (clean: boolean) => {
    if (clean) await owner.close(1_000);
    const next = await open(false);
    const [taken] = await takeAll(next, clean ? [] : [owner.incarnation.id]);
    history.push(taken?.takeoversWithoutProgress ?? -1);
    owner = next;
  };
  await takeNext(false);
  await takeNext(false);
  await takeNext(true);
  await takeNext(false);
  await owner.ledger.append(execution.id, [makeRecord(2)], never);
  await takeNext(false);
  assert.deepEqual(history, [1, 2, 2, 3, 1]);
});

test('what a taker that died had not yet handed out is found by the next', async () => {
  const old = await open(false);
  const versionId = await versionOf(old);
  const executions = Array.from({ length: 450 }, () => makeStarted(versionId));
  await Promise.all(executions.map((execution) => old.ledger.start(execution, [], never)));
  const sql = await sqlClient();
  await sql.query("UPDATE nflow.incarnations SET state = 'dead' WHERE id = $1", [old.incarnation.id]);
  await sql.end();
  const young = await open(false);
  const batches: number[] = [];
  const total = await young.incarnation.takeOver([], (batch) => batches.push(batch.length));
  assert.equal(total, 450);
  assert.deepEqual(batches, [200, 200, 50]);
});

test('two takers share what was left', async () => {
  const old = await open(false);
  const versionId = await versionOf(old);
  const executions = Array.from({ length: 300 }, () => makeStarted(versionId));
  await Promise.all(executions.map((execution) => old.ledger.start(execution, [], never)));
  const [a, b] = [await open(false), await open(false)];
  const taken = (await Promise.all([takeAll(a, [old.incarnation.id]), takeAll(b, [old.incarnation.id])])).flat();
  assert.deepEqual(taken.map(({ id }) => id).sort(), executions.map(({ id }) => id).sort());
});

/** A pool whose next COMMIT happens and is never answered. */
class UnansweredCommit extends QueryPool {
  failures = 1;

  override async transaction<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
    const result = await super.transaction(work);
    if (this.failures-- > 0) throw new Error('connection lost');
    return result;
  }
}

test('executions of a takeover whose COMMIT was not answered are handed out by the next try', async () => {
  const old = await open(false);
  const execution = makeStarted(await versionOf(old));
  await old.ledger.start(execution, [makeRecord(1)], never);
  const sql = await sqlClient();
  await sql.query("UPDATE nflow.incarnations SET state = 'dead' WHERE id = $1", [old.incarnation.id]);
  await sql.end();
  const young = await open(false);
  const pool = new UnansweredCommit(parseDsn(dsn), 1);
  try {
    const takeover = new Takeover(pool, young.incarnation.id, silentLog);
    const handedOut: ResumableExecution[] = [];
    await assert.rejects(
      takeover.collect((executions) => handedOut.push(...executions)),
      /connection lost/,
    );
    assert.equal(handedOut.length, 0);
    assert.equal(await takeover.collect((executions) => handedOut.push(...executions)), 1);
    assert.deepEqual(
      handedOut.map(({ id, journal }) => [id, journal.length]),
      [[execution.id, 1]],
    );
    assert.equal(await takeover.collect(() => assert.fail('handed out twice')), 0);
  } finally {
    await pool.close();
  }
});
