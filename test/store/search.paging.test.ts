import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { parseDsn } from '../../src/config/dsn.ts';
import { NflowError } from '../../src/errors.ts';
import { placeClasses } from '../../src/store/classes.ts';
import { connect } from '../../src/store/connect.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import type { ExecutionFilter, ExecutionStatus } from '../../src/store/port.ts';
import { QueryPool } from '../../src/store/query-pool.ts';
import { ExecutionSearch } from '../../src/store/search.ts';
import { dayMs, type InsertedExecution, insertExecutions, makeIdAt } from '../support/history.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

type Conditions = Omit<ExecutionFilter, 'cursor' | 'limit'>;

const now = Date.UTC(2031, 5, 15, 12);
const total = 80;
let postgres: TestPostgres;
let sql: pg.Client;
let pool: QueryPool;
let search: ExecutionSearch;
/**
 * Oldest first, an hour apart: every other one of a second class, every third of the workflow `bill-run`, the rest of `shop`; every
 * fifth failed, every seventh timed out, the last three are running. The three oldest are kept, one of those to come lies in the
 * default partition.
 */
const rows: InsertedExecution[] = [];

const statusAt = (place: number): ExecutionStatus =>
  place >= total - 3 ? 'running' : place % 5 === 0 ? 'failed' : place % 7 === 0 ? 'timed_out' : 'succeeded';

before(async () => {
  postgres = await startTestPostgres();
  const dsn = await postgres.createDatabase();
  sql = await connect(parseDsn(dsn), 'test');
  await sql.query("INSERT INTO nflow.workflows (name) VALUES ('shop'), ('bill-run')");
  await sql.query(
    "INSERT INTO nflow.workflow_versions (workflow_id, version, definition) VALUES (1, 1, '{}'), (2, 1, '{}'), (1, 2, '{}')",
  );
  const slot = (await placeClasses(sql, { retentionMs: 14 * dayMs, classes: { long: 365 * dayMs } })).get('long');
  await makePartitions(sql, now - 3 * dayMs, silentLog);
  await makePartitions(sql, now, silentLog);
  for (let place = 0; place < total; place++) {
    const timeMs = place === total - 1 ? now + 300 * dayMs : now - (total - place) * 3_600_000;
    const status = statusAt(place);
    rows.push({
      id: makeIdAt(timeMs, place % 2 === 0 ? 0 : slot),
      versionId: place % 3 === 0 ? 2 : place % 2 === 0 ? 1 : 3,
      status,
      error:
        status === 'failed'
          ? JSON.stringify({ code: 'node_failed', message: `Order ${place} of Señor \\ Müller: 100 % wrong_x` })
          : status === 'timed_out'
            ? '{"code":"run_timed_out"}'
            : undefined,
    });
  }
  await insertExecutions(sql, rows);
  const kept = rows.slice(0, 3).map(({ id }) => id);
  for (const suffix of ['', '_class_1']) {
    await sql.query(
      `WITH moved AS (DELETE FROM nflow.executions${suffix} WHERE id = ANY($1) RETURNING *)
       INSERT INTO nflow.executions_kept SELECT * FROM moved`,
      [kept],
    );
  }
  pool = new QueryPool(parseDsn(dsn), 2);
  search = new ExecutionSearch(pool);
});

after(async () => {
  await pool.close();
  await sql.end();
  await postgres.stop();
});

async function walk(using: ExecutionSearch, conditions: Conditions, limit: number): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await using.page({ ...conditions, cursor, limit });
    assert.ok(page.items.length <= limit);
    found.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}

const idsWhere = (isKept: (place: number) => boolean) =>
  rows.flatMap(({ id }, place) => (isKept(place) ? [id] : [])).reverse();
const timeOf = (place: number) => now - (total - place) * 3_600_000;
const failed = (place: number) => statusAt(place) === 'failed';

const searches: [what: string, conditions: () => Conditions, isKept: (place: number) => boolean][] = [
  ['all of them', () => ({}), () => true],
  ['a workflow', () => ({ workflow: 'shop' }), (place) => place % 3 !== 0],
  ['a workflow that is not there', () => ({ workflow: 'none' }), () => false],
  ['a status', () => ({ status: 'failed' }), failed],
  [
    'several that did not succeed',
    () => ({ status: ['failed', 'timed_out'] }),
    (place) => failed(place) || statusAt(place) === 'timed_out',
  ],
  ['the living', () => ({ status: ['running', 'waiting'] }), (place) => statusAt(place) === 'running'],
  [
    'some that succeeded and some that did not',
    () => ({ status: ['succeeded', 'failed'] }),
    (place) => failed(place) || statusAt(place) === 'succeeded',
  ],
  ['no status at all', () => ({ status: [] }), () => false],
  [
    'a stretch of time, over midnight',
    () => ({ createdFromMs: timeOf(20), createdBeforeMs: timeOf(60) }),
    (place) => place >= 20 && place < 60,
  ],
  [
    'a stretch of time that is over before it begins',
    () => ({ createdFromMs: timeOf(60), createdBeforeMs: timeOf(20) }),
    () => false,
  ],
  [
    'a workflow with a status in a stretch of time',
    () => ({ workflow: 'bill-run', status: 'failed', createdFromMs: timeOf(10) }),
    (place) => place >= 10 && place % 15 === 0,
  ],
  ['a part of the name', () => ({ text: 'LL-r' }), (place) => place % 3 === 0],
  ['a part of the error, in another case', () => ({ text: 'of SE' }), failed],
  ['letters beyond ASCII and a backslash', () => ({ text: 'Señor \\\\ Müller' }), failed],
  ['what a pattern would take for more', () => ({ text: '100 % wrong_x' }), failed],
  ['what a pattern would take for anything', () => ({ text: 'Order_' }), () => false],
  [
    'an error code',
    () => ({ text: 'run_timed_out', workflow: 'shop' }),
    (place) => statusAt(place) === 'timed_out' && place % 3 !== 0,
  ],
  ['an error among those that are not over', () => ({ text: 'node_failed', status: 'running' }), () => false],
  ['a whole id', () => ({ text: rows[31]?.id.toUpperCase() }), (place) => place === 31],
  ['a whole id of another status', () => ({ text: rows[31]?.id, status: 'running' }), () => false],
  ['the id of a kept one', () => ({ text: rows[1]?.id }), (place) => place === 1],
  ['the end of an id', () => ({ text: rows[32]?.id.slice(-8) }), (place) => place === 32],
];
for (const [what, conditions, isKept] of searches) {
  test(`searching for ${what} gives each once, newest first, whatever the size of pages and chunks`, async () => {
    const expected = idsWhere(isKept);
    assert.deepEqual(await walk(search, conditions(), 500), expected);
    const stepwise = new ExecutionSearch(pool, { chunkRows: 3, pageRows: 9 });
    assert.deepEqual(await walk(stepwise, conditions(), 7), expected);
  });
}

test('a page ends after the rows that it may look through, and the next one goes on there', async () => {
  const short = new ExecutionSearch(pool, { chunkRows: 5, pageRows: 10 });
  const pages = [];
  let cursor: string | undefined;
  do {
    const page = await short.page({ text: rows[0]?.id.slice(-8), cursor, limit: 10 });
    pages.push(page.items.length);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  assert.ok(pages.length > 5, `${pages.length} pages`);
  assert.equal(
    pages.reduce((sum, count) => sum + count, 0),
    1,
  );
});

test('pages stay in step while executions come and others are moved to the kept ones', async () => {
  const first = await search.page({ status: 'failed', limit: 4 });
  const failures = idsWhere(failed);
  const moved = failures[6] as string;
  for (const suffix of ['', '_class_1']) {
    await sql.query(
      `WITH moved AS (DELETE FROM nflow.executions${suffix} WHERE id = $1 RETURNING *)
       INSERT INTO nflow.executions_kept SELECT * FROM moved`,
      [moved],
    );
  }
  const extra = makeIdAt(now + dayMs);
  await insertExecutions(sql, [{ id: extra, versionId: 1, status: 'failed' }]);
  const second = await search.page({ status: 'failed', limit: 4, cursor: first.nextCursor ?? '' });
  assert.deepEqual(
    [...first.items, ...second.items].map(({ id }) => id),
    failures.slice(0, 8),
  );
  await sql.query('DELETE FROM nflow.executions WHERE id = $1', [extra]);
});

for (const [what, filter, pointer] of [
  ['a text of nothing', { text: '' }, '/text'],
  ['a text without an end', { text: 'x'.repeat(201) }, '/text'],
  ['a time before all times', { createdFromMs: -1 }, '/createdFromMs'],
  ['a time that is none', { createdBeforeMs: Number.NaN }, '/createdBeforeMs'],
] as const) {
  test(`${what} is refused`, async () => {
    await assert.rejects(
      search.page({ ...filter, limit: 1 }),
      (error) => error instanceof NflowError && error.code === 'invalid_input' && error.details.pointer === pointer,
    );
  });
}

/** The plans of every statement of a search. */
async function plansOf(conditions: Conditions): Promise<string[]> {
  const plans: string[] = [];
  const watched = {
    query: async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> => {
      const { rows: lines } = await sql.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values);
      plans.push(lines.map((line) => line['QUERY PLAN']).join('\n'));
      return (await sql.query<Row>(text, values)).rows;
    },
  };
  await new ExecutionSearch(watched).page({ ...conditions, limit: 5 });
  return plans;
}

test('a page of a day reads no other day, and no row that its index does not give', async () => {
  const dayStart = Date.UTC(2031, 5, 14);
  const range = { createdFromMs: dayStart, createdBeforeMs: dayStart + dayMs };
  for (const conditions of [{}, { workflow: 'shop' }, { status: 'failed' }, { text: 'wrong' }] as const) {
    const plans = (await plansOf({ ...range, ...conditions })).filter((plan) => /executions_/.test(plan));
    assert.ok(plans.length >= 2);
    for (const plan of plans) {
      const partitions = new Set(plan.match(/executions(_class_\d)?_20\d\d_\d\d_\d\d(_\d\d)?/g));
      assert.deepEqual([...partitions].sort(), ['executions_2031_06_14', 'executions_class_1_2031_06_14'], plan);
    }
  }
});

test('what did not succeed and what is not over are found by their own indexes', async () => {
  // Enough rows for a choice.
  const day = now + 2 * dayMs;
  await sql.query(
    `INSERT INTO nflow.executions (id, version_id, status, durability, trigger, input)
     SELECT (lpad(to_hex($1::bigint + n), 12, '0') || '7000800000000000' || lpad(to_hex(n), 4, '0'))::uuid, 1, 2, 0, 0, ''
     FROM generate_series(1, 20000) n`,
    [day],
  );
  for (const [conditions, index] of [
    [{ status: 'failed' }, /status_idx|unsuccessful|idx/],
    [{ status: 'running' }, /idx/],
    [{ text: 'wrong' }, /idx/],
  ] as const) {
    const plans = await plansOf({ ...conditions, createdFromMs: day, createdBeforeMs: day + dayMs });
    const ofDay = plans.filter((plan) => plan.includes('executions_2031_06_17'));
    assert.ok(ofDay.length > 0);
    for (const plan of ofDay) {
      assert.doesNotMatch(plan, /Seq Scan on executions_2031_06_17/, plan);
      assert.doesNotMatch(plan, /executions_2031_06_17_pkey/, plan);
      assert.match(plan, index);
    }
  }
});
