import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { parseDsn } from '../../src/config/dsn.ts';
import { connect } from '../../src/store/connect.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { failureOf } from './calls.ts';
import { callSql, sqlEffect, startRelay } from './datasources.ts';

let postgres: TestPostgres;
let admin: pg.Client;
before(async () => {
  postgres = await startTestPostgres();
  admin = await connect(parseDsn(postgres.dsn), 'test');
  await admin.query('CREATE TABLE items (id int PRIMARY KEY); CREATE SEQUENCE tickets');
});
after(async () => {
  await admin.end();
  await postgres.stop();
});

async function untilActive(mark: string, count: number): Promise<number[]> {
  for (;;) {
    const { rows } = await admin.query(
      "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND position($1 in query) > 0",
      [mark],
    );
    if (rows.length === count) return rows.map(({ pid }) => pid);
  }
}

async function countItems(): Promise<number> {
  const { rows } = await admin.query('SELECT count(*)::int AS count FROM items');
  return rows[0].count;
}

test('too many rows and too many bytes fail a call, and what it wrote is undone', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn, rowsMax: 3, bytesMax: 100_000 });
  assert.equal((await callSql(effect, { sql: 'SELECT * FROM generate_series(1, 3)' })).ok, true);
  const rows = failureOf(await callSql(effect, { sql: 'SELECT * FROM generate_series(1, 4)' }));
  assert.equal(rows.reason, 'too_many_rows');
  assert.match(rows.message, /^sql main: SELECT: the result has more rows; allowed are 3/);
  const written = { sql: 'INSERT INTO items SELECT * FROM generate_series(1, 4) RETURNING id' };
  assert.equal(failureOf(await callSql(effect, written)).reason, 'too_many_rows');
  const bytes = failureOf(await callSql(effect, { sql: "SELECT repeat('x', 100000) AS text" }));
  assert.equal(bytes.reason, 'too_large');
  const large = { sql: "INSERT INTO items VALUES (9) RETURNING repeat('x', 100000) AS text" };
  assert.equal(failureOf(await callSql(effect, large)).reason, 'too_large');
  assert.equal(await countItems(), 0);
});

test('what only reads runs in a READ ONLY transaction, which the database enforces', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn });
  const failure = failureOf(await callSql(effect, { sql: "SELECT nextval('tickets')" }));
  assert.equal(failure.reason, 'sqlstate_25006');
  assert.match(failure.message, /say "readOnly": false if it writes/);
  assert.equal((await callSql(effect, { sql: "SELECT nextval('tickets') AS n", readOnly: false })).ok, true);
  const claimed = failureOf(await callSql(effect, { sql: 'DELETE FROM items', readOnly: true }));
  assert.equal(claimed.reason, 'sqlstate_25006');
  const argumentsOf = (given: object): string => JSON.stringify(given);
  assert.equal(effect.isSafe(argumentsOf({ sql: 'SELECT 1' })), true);
  assert.equal(effect.isSafe(argumentsOf({ sql: '/* a /* b */ */ -- c\n SELECT 1 FOR UPDATE' })), false);
  assert.equal(effect.isSafe(argumentsOf({ sql: 'WITH gone AS (DELETE FROM items RETURNING *) TABLE gone' })), false);
  assert.equal(effect.isSafe(argumentsOf({ sql: 'SELECT 1', readOnly: false })), false);
  assert.equal(effect.isSafe(argumentsOf({ statements: [{ sql: 'SELECT 1' }, { sql: 'DELETE FROM items' }] })), false);
});

test('a datasource that is read_only lets nothing write, whatever a call says', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn, readOnly: true });
  const call = { sql: 'INSERT INTO items VALUES (1)', readOnly: false };
  assert.equal(effect.isSafe(JSON.stringify(call)), true);
  assert.equal(failureOf(await callSql(effect, call)).reason, 'sqlstate_25006');
  const escapes = [
    'COMMIT',
    'SET TRANSACTION READ WRITE',
    '/* */ commit',
    ' RESET ALL',
    'DO $$ BEGIN END $$',
    '(SET x = 1)',
  ];
  for (const sql of escapes) {
    const failure = failureOf(
      await callSql(effect, { statements: [{ sql }, { sql: 'INSERT INTO items VALUES (1)' }] }),
    );
    assert.equal(failure.reason, 'invalid_request', sql);
  }
  const raised = { sql: "SELECT set_config('transaction_read_only', 'off', true)" };
  assert.equal((await callSql(effect, raised)).ok, false);
  assert.equal(await countItems(), 0);
});

test('one statement is one: a second behind a semicolon is refused', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn });
  const failure = failureOf(await callSql(effect, { sql: 'SELECT 1; DROP TABLE items' }));
  assert.equal(failure.reason, 'sqlstate_42601');
});

test('a transaction takes effect as a whole or not at all, and says which statement failed and where', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn });
  const first = { sql: 'INSERT INTO items VALUES ($1)', params: [1] };
  const failure = failureOf(await callSql(effect, { statements: [first, { sql: 'SELECT nothing FROM items' }] }));
  assert.equal(failure.reason, 'sqlstate_42703');
  assert.match(failure.message, /refused statement 2: column "nothing" does not exist; SQLSTATE 42703; at character 8/);
  assert.equal(await countItems(), 0);
  const both = await callSql(effect, { statements: [first, { sql: 'SELECT count(*)::int AS n FROM items' }] });
  assert.equal(both.json, '{"results":[{"rows":[],"rowCount":1},{"rows":[{"n":1}],"rowCount":1}]}');
  await admin.query('DELETE FROM items');
});

test('a call that is given up is cancelled in the database, while it waits for a connection too', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn, poolMaxConns: 1 });
  const ending = new AbortController();
  const slow = callSql(effect, { sql: 'SELECT pg_sleep(600) AS given_up' }, { signal: ending.signal });
  await untilActive('given_up', 1);
  const waiting = callSql(effect, { sql: 'SELECT 1' }, { signal: ending.signal });
  ending.abort();
  assert.equal(failureOf(await slow).reason, 'aborted');
  assert.equal(failureOf(await waiting).reason, 'aborted');
  await untilActive('given_up', 0);
  assert.equal((await callSql(effect, { sql: 'SELECT 1' })).ok, true);
});

test('the database ends a statement after statement_timeout, and the connection is used again', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn, poolMaxConns: 1, statementTimeoutMs: 50 });
  const failure = failureOf(await callSql(effect, { sql: 'SELECT pg_sleep(600)' }));
  assert.equal(failure.reason, 'timeout');
  assert.match(failure.message, /not done within "statement_timeout" of the datasource/);
  assert.equal((await callSql(effect, { sql: 'SELECT 1' })).ok, true);
});

test('when all connections are in use a call waits, and fails in the end', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn, poolMaxConns: 1, acquireTimeoutMs: 50 });
  const ending = new AbortController();
  const slow = callSql(effect, { sql: 'SELECT pg_sleep(600) AS in_the_way' }, { signal: ending.signal });
  await untilActive('in_the_way', 1);
  const failure = failureOf(await callSql(effect, { sql: 'SELECT 1' }));
  assert.equal(failure.reason, 'pool_exhausted');
  assert.equal(failure.retryable, true);
  assert.match(failure.message, /all 1 connections \("pool_max_conns" of the datasource\) were in use for 50 ms/);
  assert.deepEqual(effect.stats(), [{ datasource: 'main', size: 1, inUse: 1, waiting: 0, exhaustedTotal: 1 }]);
  ending.abort();
  await slow;
});

test('calls that wait get the connections that come free, in their order', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn, poolMaxConns: 2 });
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, index) => callSql(effect, { sql: 'SELECT $1::int AS n', params: [index] })),
  );
  for (const [index, { json }] of results.entries()) assert.equal(json, `{"rows":[{"n":${index}}],"rowCount":1}`);
  assert.equal(effect.stats()[0]?.size, 2);
  assert.equal(effect.stats()[0]?.inUse, 0);
});

test('a backend that is killed under a call makes it fail as one that may be repeated, and nothing was changed', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn });
  const call = {
    statements: [{ sql: 'INSERT INTO items VALUES (77)' }, { sql: 'SELECT pg_sleep(600) AS to_be_killed' }],
  };
  const slow = callSql(effect, call);
  const [pid] = await untilActive('to_be_killed', 1);
  await admin.query('SELECT pg_terminate_backend($1)', [pid]);
  const failure = failureOf(await slow);
  assert.equal(failure.reason, 'connection_lost');
  assert.equal(failure.retryable, true);
  assert.equal(await countItems(), 0);
  assert.equal((await callSql(effect, { sql: 'SELECT 1' })).ok, true);
});

test('deadlocks and serialization failures may be repeated', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn });
  // The one whose deadlock_timeout is over first is the one that ends.
  const patient = await connect(parseDsn(postgres.dsn), 'test', ["SET deadlock_timeout = '600s'"]);
  await patient.query('BEGIN; INSERT INTO items VALUES (501)');
  const lock = (id: number) => ({ sql: 'INSERT INTO items VALUES ($1)', params: [id] });
  const other = callSql(effect, { statements: [lock(502), lock(501)] });
  await untilActive('INSERT INTO items', 1);
  await patient.query('INSERT INTO items VALUES (502)');
  const failure = failureOf(await other);
  assert.equal(failure.reason, 'sqlstate_40P01');
  assert.equal(failure.retryable, true);
  await patient.query('ROLLBACK');
  await patient.end();
});

test('what tells where a database is, and with which password, is in no message', async () => {
  const wrong = new URL(postgres.dsn);
  wrong.password = 'geheim-4711';
  wrong.username = 'nobody-known';
  wrong.searchParams.set('sslmode', 'disable');
  await using relay = await startRelay(wrong.href);
  using refused = sqlEffect({ dsn: relay.dsn });
  const login = await callSql(refused, { sql: 'SELECT 1' });
  assert.equal(failureOf(login).reason, 'connection_refused');
  relay.refuse();
  using away = sqlEffect({ dsn: relay.dsn });
  const lost = await callSql(away, { sql: 'SELECT 1' });
  assert.equal(failureOf(lost).reason, 'connection_lost');
  assert.equal(failureOf(lost).retryable, true);
  using nowhere = sqlEffect({ dsn: 'postgres://nobody-known:geheim-4711@127.0.0.1:1/db' });
  const unreachable = await callSql(nowhere, { sql: 'SELECT 1' });
  assert.match(failureOf(unreachable).message, /PostgreSQL cannot be reached.*ECONNREFUSED/);
  for (const { json } of [login, lost, unreachable]) {
    for (const secret of ['geheim', 'nobody-known', '127.0.0.1', new URL(relay.dsn).port]) {
      assert.ok(!json.includes(secret), `${secret} is in ${json}`);
    }
  }
});

test('a connection on which a statement may have left something is not used again', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn, poolMaxConns: 1 });
  await callSql(effect, { sql: "SELECT set_config('search_path', 'pg_catalog', false)" });
  const { json } = await callSql(effect, { sql: "SELECT current_setting('search_path') AS path" });
  assert.match(json, /public/);
});
