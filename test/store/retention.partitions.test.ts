import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type pg from 'pg';
import { parseDsn } from '../../src/config/dsn.ts';
import { placeClasses } from '../../src/store/classes.ts';
import { connect } from '../../src/store/connect.ts';
import { openStore } from '../../src/store/open-store.ts';
import { makePartitions, readSpans } from '../../src/store/partitions.ts';
import type { Store } from '../../src/store/port.ts';
import type { QueryPool } from '../../src/store/query-pool.ts';
import type { Retention } from '../../src/store/retention.ts';
import { makeEnd, makeEnded, makeRecord } from '../support/executions.ts';
import {
  dayMs,
  dropPartitions,
  insertExecutions,
  insertRecord,
  makeDays,
  makeIdAt,
  openRetention,
  repeat,
  stepOnce,
  tablesOf,
} from '../support/history.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const never = Number.POSITIVE_INFINITY;
const hourMs = dayMs / 24;
/** The clock of the tests. No partition of the template is near. */
const now = Date.UTC(2031, 5, 15, 12);
let postgres: TestPostgres;
let dsn: string;
let sql: pg.Client;
let pool: QueryPool;
let retention: Retention;
let versionId: number;

before(async () => {
  postgres = await startTestPostgres();
});

after(() => postgres.stop());

beforeEach(async () => {
  dsn = await postgres.createDatabase();
  sql = await connect(parseDsn(dsn), 'test');
  await dropPartitions(sql);
  await sql.query("INSERT INTO nflow.workflows (name) VALUES ('shop')");
  const { rows } = await sql.query<{ id: number }>(
    "INSERT INTO nflow.workflow_versions (workflow_id, version, definition) VALUES (1, 1, '{}') RETURNING id",
  );
  versionId = rows[0]?.id ?? 0;
  // Few days: making a partition takes its time.
  await placeClasses(sql, { retentionMs: 3 * dayMs, classes: {} });
  ({ pool, retention } = openRetention(dsn, { log: silentLog }));
});

afterEach(async () => {
  await pool.close();
  await sql.end();
});

async function openTestStore(): Promise<Store> {
  return openStore({
    dsn,
    serverName: 'test',
    exclusive: true,
    unsafe: false,
    log: silentLog,
    history: { retentionMs: 3 * dayMs, classes: {}, bytesMax: null },
  });
}

async function retiredTables(): Promise<string[]> {
  const { rows } = await sql.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relname LIKE 'retired\\_%' AND relkind = 'r' ORDER BY 1",
  );
  return rows.map(({ name }) => name);
}

test('a partition goes when all of it is older than its class keeps, and not before', async () => {
  await makeDays(sql, now - 5 * dayMs, now, silentLog);
  const old = makeIdAt(now - 4 * dayMs);
  const young = makeIdAt(now - 3 * dayMs);
  await insertExecutions(sql, [
    { id: old, versionId },
    { id: young, versionId },
  ]);
  // Its day ended 3.5 days ago; that of the young one 2.5 days ago.
  await repeat(() => retention.retireExpired(now));
  assert.deepEqual(await tablesOf(sql, [old, young]), { [young]: 'executions_2031_06_12' });
  const spans = await readSpans(sql);
  assert.equal(spans[0]?.fromMs, Date.UTC(2031, 5, 12));
  // The retired ones are out of the way of queries, and still on disk until the next step.
  const retired = await retiredTables();
  assert.ok(retired.includes('retired_executions_2031_06_11') && retired.includes('retired_journal_2031_06_11'));
  await repeat(() => retention.dropRetired());
  assert.deepEqual(await retiredTables(), []);
});

test('what is not over and what is held outlive their partition, with their journals', async () => {
  await makeDays(sql, now - 5 * dayMs, now, silentLog);
  const timeMs = now - 5 * dayMs;
  const [running, held, heldTooShort, over] = [0, 1, 2, 3].map((place) => makeIdAt(timeMs + place)) as [
    string,
    string,
    string,
    string,
  ];
  const store = await openTestStore();
  await insertExecutions(sql, [
    { id: running, versionId, status: 'running', owner: store.incarnation.id },
    { id: held, versionId, status: 'failed', error: '{"code":"node_failed"}' },
    { id: heldTooShort, versionId },
    { id: over, versionId },
  ]);
  for (const id of [running, held, over]) await insertRecord(sql, id, 1);
  assert.equal(await store.history.hold(held, null), true);
  assert.equal(await store.history.hold(heldTooShort, now - 1), true);
  assert.equal(await store.history.hold(makeIdAt(timeMs), null), false);

  await repeat(() => retention.retireExpired(now));
  await repeat(() => retention.dropRetired());
  assert.deepEqual(await tablesOf(sql, [running, held, heldTooShort, over]), {
    [running]: 'executions_kept',
    [held]: 'executions_kept',
  });
  const { rows } = await sql.query<{ id: string }>('SELECT execution_id AS id FROM nflow.journal_kept ORDER BY 1');
  assert.deepEqual(
    rows.map(({ id }) => id),
    [running, held],
  );

  // Found, listed, written to and ended like any other.
  assert.equal((await store.history.get(running))?.journal.length, 1);
  assert.equal((await store.history.get(held))?.status, 'failed');
  const { items } = await store.history.list({ limit: 10, createdBeforeMs: now - 4 * dayMs });
  assert.deepEqual(
    items.map(({ id }) => id),
    [held, running],
  );
  await store.ledger.append(running, [makeRecord(2)], never);
  await repeat(() => retention.keepLateRows(now));
  assert.deepEqual(
    (await store.history.get(running))?.journal.map(({ order }) => order),
    [1, 2],
  );
  await store.ledger.finish(running, makeEnd({ output: '42' }), never);
  assert.equal((await store.history.get(running))?.output, '42');
  await assert.rejects(store.ledger.finish(makeIdAt(timeMs), makeEnd(), never), /could not be ended/);
  await store.close(0);
});

test('a kept execution goes when it is over and was released, not while it is held or young', async () => {
  const timeMs = now - 5 * dayMs;
  await makeDays(sql, timeMs, now, silentLog);
  const [held, living, ended] = [0, 1, 2].map((place) => makeIdAt(timeMs + place)) as [string, string, string];
  await insertExecutions(sql, [
    { id: held, versionId },
    { id: living, versionId, status: 'running' },
    { id: ended, versionId, status: 'running' },
  ]);
  for (const id of [held, living, ended]) await insertRecord(sql, id, 1);
  await sql.query('INSERT INTO nflow.holds (execution_id) VALUES ($1)', [held]);
  await repeat(() => retention.retireExpired(now));
  // It ended late: its class counts from then.
  await sql.query('UPDATE nflow.executions_kept SET status = 2, ended_at_ms = $2 WHERE id = $1', [ended, now - dayMs]);
  assert.equal(await repeat(() => retention.dropKept(now)), 0);
  assert.equal(await repeat(() => retention.dropKept(now + 3 * dayMs)), 1);
  assert.deepEqual(Object.keys(await tablesOf(sql, [held, living, ended])).sort(), [held, living].sort());
  await sql.query('DELETE FROM nflow.holds');
  assert.equal(await repeat(() => retention.dropKept(now + 3 * dayMs)), 1);
  const { rows } = await sql.query<{ id: string }>('SELECT execution_id AS id FROM nflow.journal_kept');
  assert.deepEqual(rows, [{ id: living }]);
});

test('each class keeps for its own time', async () => {
  const slots = await placeClasses(sql, { retentionMs: 3 * dayMs, classes: { long: 365 * dayMs, short: dayMs } });
  await makeDays(sql, now - 6 * dayMs, now, silentLog);
  const ages = [6, 4, 3, 2.5, 1];
  const idOf = new Map<string, string>();
  for (const name of ['default', 'long', 'short']) {
    for (const age of ages) idOf.set(`${name} ${age}`, makeIdAt(now - age * dayMs, slots.get(name)));
  }
  await insertExecutions(
    sql,
    [...idOf.values()].map((id) => ({ id, versionId })),
  );
  await repeat(() => retention.retireExpired(now));
  const left = await tablesOf(sql, [...idOf.values()]);
  assert.deepEqual(
    [...idOf].flatMap(([name, id]) => (left[id] === undefined ? [] : [name])),
    ['default 3', 'default 2.5', 'default 1', ...ages.map((age) => `long ${age}`), 'short 1'],
  );
});

test('with max_bytes the oldest go first, whatever their class, and what is not over stays', async () => {
  const slots = await placeClasses(sql, { retentionMs: 300 * dayMs, classes: { long: 365 * dayMs } });
  await makeDays(sql, now - 4 * dayMs, now, silentLog);
  const output = Buffer.alloc(400_000, 'x');
  const running = makeIdAt(now - 4 * dayMs + 1);
  const ids = [4, 3, 2, 1, 0].map((age, place) => makeIdAt(now - age * dayMs, place % 2 === 0 ? 0 : slots.get('long')));
  await insertExecutions(sql, [
    ...ids.map((id) => ({ id, versionId, output })),
    { id: running, versionId, status: 'running' },
  ]);
  const bytes = await retention.historyBytes();
  const bytesMax = bytes - 1_000_000;
  const errors: string[] = [];
  const log = { ...silentLog, error: (_: object, message: string) => errors.push(message) };
  const bounded = openRetention(dsn, { bytesMax, log });
  await repeat(() => bounded.retention.retireForSpace(now));
  assert.ok((await retention.historyBytes()) <= bytesMax);
  const left = await tablesOf(sql, [...ids, running]);
  assert.equal(left[running], 'executions_kept');
  const isLeft = ids.map((id) => left[id] !== undefined);
  assert.ok(
    isLeft[0] === false && isLeft[4] === true && isLeft.lastIndexOf(false) < isLeft.indexOf(true),
    isLeft.join(),
  );
  assert.deepEqual(errors, []);
  // No room at all: today's stays, and that is said.
  const tight = openRetention(dsn, { bytesMax: 1, log });
  await repeat(() => tight.retention.retireForSpace(now));
  assert.deepEqual(Object.keys(await tablesOf(sql, ids)), [ids[4]]);
  assert.match(errors.join(), /only the current partition is left/);
  await bounded.pool.close();
  await tight.pool.close();
});

test('where a day is too large, the next ones are made of hours, and of days again when it is quiet', async () => {
  await makePartitions(sql, now, silentLog);
  const output = Buffer.alloc(6_000_000, 'x');
  await insertExecutions(sql, [{ id: makeIdAt(now - 1000), versionId, output }]);
  const small = openRetention(dsn, { dayBytesMax: 8_000_000, log: silentLog });
  const reshape = async (timeMs: number) => {
    const hourly = await small.retention.hourlySlots(timeMs);
    await repeat(() => small.retention.unmakeWrongSize(timeMs, hourly));
    await makePartitions(sql, timeMs, silentLog, hourly);
  };
  // 6 MB in half a day.
  await reshape(now);
  const midnight = Date.UTC(2031, 5, 16);
  const hoursOf = async (dayStartMs: number) =>
    (await readSpans(sql)).filter((span) => span.fromMs >= dayStartMs && span.toMs <= dayStartMs + dayMs).length;
  assert.deepEqual(
    [
      await hoursOf(midnight - dayMs),
      await hoursOf(midnight),
      await hoursOf(midnight + dayMs),
      await hoursOf(midnight + 2 * dayMs),
    ],
    [1, 24, 24, 1],
  );
  const id = makeIdAt(midnight + 13 * hourMs + 5);
  await insertExecutions(sql, [{ id, versionId }]);
  assert.deepEqual(await tablesOf(sql, [id]), { [id]: 'executions_2031_06_16_13' });
  // Two days later nothing came any more. What was made stays as it is.
  await reshape(midnight + 2 * dayMs);
  assert.deepEqual([await hoursOf(midnight), await hoursOf(midnight + 3 * dayMs)], [24, 1]);
  await repeat(() => small.retention.retireExpired(midnight + 3 * dayMs + 14 * hourMs));
  assert.equal(await hoursOf(midnight), 10);
  await small.pool.close();
});

test('rows with an id older than every partition are moved to the kept tables, and go from there', async () => {
  await makePartitions(sql, now, silentLog);
  const [late, coming] = [makeIdAt(now - 30 * dayMs), makeIdAt(now + 30 * dayMs)];
  await insertExecutions(sql, [
    { id: late, versionId },
    { id: coming, versionId },
  ]);
  await insertRecord(sql, late, 1);
  assert.equal(await retention.defaultPartitionRows(), 3);
  await repeat(() => retention.keepLateRows(now));
  assert.deepEqual(await tablesOf(sql, [late, coming]), { [late]: 'executions_kept', [coming]: 'executions_default' });
  assert.equal(await retention.defaultPartitionRows(), 1);
  await repeat(() => retention.dropKept(now));
  assert.deepEqual(Object.keys(await tablesOf(sql, [late])), []);
});

test('a reader in the way makes a step give up at once, and commits go on', async () => {
  const store = await openTestStore();
  await makeDays(sql, now - 5 * dayMs, now, silentLog);
  const other = await connect(parseDsn(dsn), 'test');
  await other.query('BEGIN');
  await other.query('SELECT count(*) FROM nflow.executions');
  assert.equal(await retention.retireExpired(now), 'busy');
  // Had the step gone on waiting for its lock, this would wait behind it.
  await store.ledger.end(makeEnded(versionId), performance.now() + 60_000);
  const spans = await readSpans(sql);
  await other.query('COMMIT');
  assert.equal(await stepOnce(() => retention.retireExpired(now)), 'retired');
  assert.equal((await readSpans(sql)).length, spans.length - 1);
  await other.end();
  await store.close(0);
});

test('two servers never retire the same partition', async () => {
  await makeDays(sql, now - 9 * dayMs, now, silentLog);
  const before = (await readSpans(sql)).length;
  const second = openRetention(dsn, { log: silentLog });
  let retired = 0;
  for (let round = 0; round < 5; round++) {
    const results = await Promise.all([retention.retireExpired(now), second.retention.retireExpired(now)]);
    assert.ok(results.includes('retired'), results.join());
    retired += results.filter((result) => result === 'retired').length;
  }
  assert.equal((await readSpans(sql)).length, before - retired);
  await second.pool.close();
});

test('the tables of every class, and the kept ones, have the columns of the first', async () => {
  for (const base of ['executions', 'journal']) {
    const { rows } = await sql.query<{ columns: string }>(
      `SELECT DISTINCT (SELECT string_agg(format('%s %s %s', attname, atttypid, attstorage), ', ' ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns
       FROM pg_class c WHERE c.relname = ANY($1)`,
      [['', '_class_1', '_class_2', '_kept'].map((suffix) => `${base}${suffix}`)],
    );
    assert.equal(rows.length, 1, base);
  }
});
