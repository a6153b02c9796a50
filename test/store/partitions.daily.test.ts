import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { parseDsn } from '../../src/config/dsn.ts';
import { connect } from '../../src/store/connect.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import { makeUuid } from '../support/executions.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const dayMs = 86_400_000;
const noon = Date.UTC(2031, 5, 15, 12);
let postgres: TestPostgres;
let client: pg.Client;

before(async () => {
  postgres = await startTestPostgres();
  client = await connect(parseDsn(await postgres.createDatabase()), 'test');
});

after(async () => {
  await client.end();
  await postgres.stop();
});

async function insert(id: string): Promise<void> {
  await client.query(
    "INSERT INTO nflow.executions (id, version_id, status, durability, trigger, input) VALUES ($1, 1, 2, 0, 0, '')",
    [id],
  );
}

async function partitionOf(id: string): Promise<string | undefined> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT c.relname AS name FROM nflow.executions e JOIN pg_class c ON c.oid = e.tableoid WHERE e.id = $1',
    [id],
  );
  return rows[0]?.name;
}

test('partitions are made from yesterday to a week ahead, once', async () => {
  const made = await makePartitions(client, noon, silentLog);
  assert.equal(made.length, 18);
  assert.equal(made[0], 'executions_2031_06_14');
  assert.equal(made[8], 'executions_2031_06_22');
  assert.ok(made.includes('journal_2031_06_15'));
  assert.deepEqual(await makePartitions(client, noon, silentLog), []);
  assert.deepEqual(await makePartitions(client, noon + dayMs, silentLog), [
    'executions_2031_06_23',
    'journal_2031_06_23',
  ]);
});

test('an execution lies in the partition of its id, to the millisecond', async () => {
  const midnight = Date.UTC(2031, 5, 16);
  for (const [timeMs, name] of [
    [midnight - 1, 'executions_2031_06_15'],
    [midnight, 'executions_2031_06_16'],
    [midnight + dayMs - 1, 'executions_2031_06_16'],
  ] as const) {
    const id = makeUuid(timeMs);
    await insert(id);
    assert.equal(await partitionOf(id), name);
  }
});

test('what went into the default partition is moved when its day is made', async () => {
  const later = noon + 30 * dayMs;
  const ids = [makeUuid(later), makeUuid(later + 1), makeUuid(later + 60 * dayMs)];
  for (const id of ids) await insert(id);
  assert.equal(await partitionOf(ids[0] as string), 'executions_default');
  const warnings: object[] = [];
  await makePartitions(client, later, { ...silentLog, warn: (fields) => warnings.push(fields) });
  assert.deepEqual(
    [await partitionOf(ids[0] as string), await partitionOf(ids[1] as string), await partitionOf(ids[2] as string)],
    ['executions_2031_07_15', 'executions_2031_07_15', 'executions_default'],
  );
  assert.deepEqual(warnings, [{ partition: 'executions_2031_07_15', rows: 2 }]);
});

test('a partition stores payloads as they are and asks for no vacuum after inserts', async () => {
  const { rows } = await client.query<{ options: string[]; storage: string }>(
    `SELECT c.reloptions AS options, string_agg(DISTINCT a.attstorage::text, '') AS storage
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.atttypid = 'bytea'::regtype
     WHERE c.relname = 'executions_2031_06_15' GROUP BY c.reloptions`,
  );
  assert.deepEqual(rows, [{ options: ['autovacuum_vacuum_insert_threshold=-1'], storage: 'e' }]);
});

test('a partition has the indexes of its parent and no others', async () => {
  const { rows } = await client.query<{ partition: string; indexes: number; inherited: number }>(
    `SELECT c.relname AS partition, count(*)::int AS indexes, count(i.inhrelid)::int AS inherited
     FROM pg_class c JOIN pg_index x ON x.indrelid = c.oid LEFT JOIN pg_inherits i ON i.inhrelid = x.indexrelid
     WHERE c.relname IN ('executions_2031_06_15', 'journal_2031_06_15') GROUP BY c.relname ORDER BY 1`,
  );
  assert.deepEqual(rows, [
    { partition: 'executions_2031_06_15', indexes: 4, inherited: 4 },
    { partition: 'journal_2031_06_15', indexes: 1, inherited: 1 },
  ]);
});

test('a lookup by a full id reads one partition', async () => {
  const { rows } = await client.query<{ 'QUERY PLAN': string }>(
    `EXPLAIN SELECT * FROM nflow.executions WHERE id = '${makeUuid(noon)}'`,
  );
  const partitions = rows.flatMap((row) => row['QUERY PLAN'].match(/executions_\w+?(?=_pkey| )/g) ?? []);
  assert.deepEqual([...new Set(partitions)], ['executions_2031_06_15']);
});
