import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { parseDsn } from '../../src/config/dsn.ts';
import type { SqlPage } from '../../src/effects/sql/arguments.ts';
import { connect } from '../../src/store/connect.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { failureOf } from './calls.ts';
import { callSql, type Rows, sqlEffect } from './datasources.ts';

let postgres: TestPostgres;
let admin: pg.Client;
before(async () => {
  postgres = await startTestPostgres();
  admin = await connect(parseDsn(postgres.dsn), 'test');
  // Many rows of one time, apart from each other by microseconds only, and ids that no JSON number holds.
  await admin.query(`CREATE TABLE events AS
    SELECT 9007199254740990 + n AS id, timestamptz '2031-06-15 12:00:00+00' + (n / 3) * interval '1 microsecond' AS at,
      n % 2 = 0 AS even FROM generate_series(1, 100) AS n`);
});
after(async () => {
  await admin.end();
  await postgres.stop();
});

/** Each page on a server of its own: nothing is held between two. */
async function readAll(sql: string, params: unknown[], page: SqlPage): Promise<{ ids: unknown[]; pages: number }> {
  const ids: unknown[] = [];
  let after: string | null = null;
  for (let pages = 1; ; pages++) {
    using effect = sqlEffect({ dsn: postgres.dsn, rowsMax: 5 });
    const result = await callSql(effect, { sql, params, page: { ...page, after } });
    assert.equal(result.ok, true, result.json);
    const { rows, rowCount, nextCursor } = JSON.parse(result.json) as Rows;
    assert.equal(rows.length, rowCount);
    ids.push(...rows.map(({ id }) => id));
    if (nextCursor == null) return { ids, pages };
    after = nextCursor;
  }
}

test('pages give every row once, in order, whatever the size', async () => {
  const { rows } = await admin.query('SELECT id::text FROM events ORDER BY at, id');
  const expected = rows.map(({ id }) => id);
  for (const size of [1, 7, 50, 99, 100, 101]) {
    const { ids, pages } = await readAll('SELECT * FROM events -- all', [], { by: ['at', 'id'], size });
    assert.deepEqual(ids, expected);
    assert.equal(pages, Math.ceil(100 / size));
  }
  const descending = await readAll('SELECT * FROM events;', [], { by: ['at', 'id'], size: 9, descending: true });
  assert.deepEqual(descending.ids, expected.toReversed());
});

test('a page keeps the parameters of its query', async () => {
  const { ids } = await readAll('SELECT id FROM events WHERE even = $1 AND id > $2', [true, '9007199254741000'], {
    by: ['id'],
    size: 10,
  });
  assert.equal(ids.length, 45);
});

test('what comes in between two pages before the cursor does not move the rows behind it', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn });
  await admin.query('CREATE TABLE list AS SELECT n * 10 AS id FROM generate_series(1, 6) AS n');
  const read = async (after: string | null): Promise<Rows> => {
    const { json } = await callSql(effect, { sql: 'TABLE list', page: { by: ['id'], size: 3, after } });
    return JSON.parse(json);
  };
  const first = await read(null);
  await admin.query('INSERT INTO list VALUES (5), (15)');
  const second = await read(first.nextCursor ?? null);
  assert.deepEqual(second, { rows: [{ id: 40 }, { id: 50 }, { id: 60 }], rowCount: 3, nextCursor: null });
});

test('a cursor that is none, a column that is null and one that is not there are told', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn });
  const page = { by: ['id'], size: 3 };
  const sql = 'SELECT id FROM events';
  for (const after of [
    '',
    'x',
    Buffer.from('[1,2]').toString('base64url'),
    Buffer.from('[null]').toString('base64url'),
  ]) {
    assert.equal(failureOf(await callSql(effect, { sql, page: { ...page, after } })).reason, 'bad_cursor', after);
  }
  const nulls = await callSql(effect, { sql: 'SELECT NULL::int AS id', page });
  assert.match(failureOf(nulls).message, /page.by: got columns with null/);
  const missing = failureOf(await callSql(effect, { sql, page: { by: ['nothing"'], size: 3 } }));
  assert.equal(missing.reason, 'sqlstate_42703');
  const wrong = failureOf(await callSql(effect, { sql: 'SELECT wrong FROM events', page }));
  assert.match(wrong.message, /at character 8/);
  const writing = failureOf(await callSql(effect, { sql: 'DELETE FROM events', page }));
  assert.equal(writing.reason, 'invalid_request');
});
