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
  await admin.query('CREATE TABLE stock (item text PRIMARY KEY, amount int NOT NULL)');
});
after(async () => {
  await admin.end();
  await postgres.stop();
});

async function amountOf(item: string): Promise<number> {
  const { rows } = await admin.query('SELECT amount FROM stock WHERE item = $1', [item]);
  return rows[0].amount;
}

async function addItem(item: string): Promise<void> {
  await admin.query('INSERT INTO stock VALUES ($1, 10)', [item]);
}

const take = (item: string) => ({
  sql: 'UPDATE stock SET amount = amount - 1 WHERE item = $1 RETURNING amount',
  params: [item],
});
const taken = '{"rows":[{"amount":9}],"rowCount":1}';

test('a call that is repeated with its key returns the stored result and changes nothing', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn });
  await addItem('bolt');
  for (let time = 0; time < 3; time++) {
    const result = await callSql(effect, take('bolt'), { idempotencyKey: 'first' });
    assert.deepEqual(result, { ok: true, json: taken });
  }
  assert.equal(await amountOf('bolt'), 9);
  await callSql(effect, take('bolt'), { idempotencyKey: 'second' });
  assert.equal(await amountOf('bolt'), 8);
  // Keys are a workflow's own.
  await callSql(effect, take('bolt'), { idempotencyKey: 'first', workflow: 'other' });
  assert.equal(await amountOf('bolt'), 7);
});

test('repeats at one time, on two servers too, take effect once', async () => {
  using here = sqlEffect({ dsn: postgres.dsn });
  using there = sqlEffect({ dsn: postgres.dsn });
  await addItem('nut');
  const calls = [here, there, here, there, here, there];
  const results = await Promise.all(
    calls.map((effect) => callSql(effect, take('nut'), { idempotencyKey: 'together' })),
  );
  for (const result of results) assert.deepEqual(result, { ok: true, json: taken });
  assert.equal(await amountOf('nut'), 9);
});

test('a connection that is lost between the commit and its answer does not make a call take effect twice', async () => {
  await using relay = await startRelay(postgres.dsn);
  using effect = sqlEffect({ dsn: relay.dsn });
  await addItem('screw');
  // The table is there, so that the next commit is that of the call.
  await callSql(effect, { sql: 'DELETE FROM stock WHERE false' });
  const lost = relay.swallowNextCommit();
  const result = await callSql(effect, take('screw'), { idempotencyKey: 'lost' });
  await lost;
  assert.deepEqual(result, { ok: true, json: taken });
  assert.equal(await amountOf('screw'), 9);
});

test('when the database stays away after the commit, the call says so, and a repeat tells what became of it', async () => {
  await addItem('washer');
  {
    await using relay = await startRelay(postgres.dsn);
    using effect = sqlEffect({ dsn: relay.dsn });
    await callSql(effect, { sql: 'DELETE FROM stock WHERE false' });
    void relay.swallowNextCommit().then(() => relay.refuse());
    const failure = failureOf(await callSql(effect, take('washer'), { idempotencyKey: 'away' }));
    assert.equal(failure.reason, 'outcome_unknown');
    assert.equal(failure.retryable, true);
  }
  assert.equal(await amountOf('washer'), 9);
  using effect = sqlEffect({ dsn: postgres.dsn });
  assert.deepEqual(await callSql(effect, take('washer'), { idempotencyKey: 'away' }), { ok: true, json: taken });
  assert.equal(await amountOf('washer'), 9);
});

test('without exactly once a lost commit is told, and nothing is kept', async () => {
  await using relay = await startRelay(postgres.dsn);
  using effect = sqlEffect({ dsn: relay.dsn });
  await addItem('pin');
  const call = { ...take('pin'), exactlyOnce: false };
  assert.deepEqual(await callSql(effect, call, { idempotencyKey: 'pin' }), { ok: true, json: taken });
  void relay.swallowNextCommit();
  const failure = failureOf(await callSql(effect, call, { idempotencyKey: 'pin' }));
  assert.equal(failure.reason, 'outcome_unknown');
  assert.equal(failure.retryable, false);
  assert.equal(await amountOf('pin'), 8);
  const { rows } = await admin.query("SELECT * FROM nflow_effects WHERE key = 'pin'");
  assert.deepEqual(rows, []);
});

test('a call that fails leaves no key: its repeat is made', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn });
  const insert = { sql: "INSERT INTO stock VALUES ('cog', 10)" };
  await addItem('cog');
  const failure = failureOf(await callSql(effect, insert, { idempotencyKey: 'cog' }));
  assert.equal(failure.reason, 'sqlstate_23505');
  assert.match(failure.message, /duplicate key.*SQLSTATE 23505; constraint stock_pkey; table stock/);
  await admin.query("DELETE FROM stock WHERE item = 'cog'");
  const result = await callSql(effect, insert, { idempotencyKey: 'cog' });
  assert.deepEqual(result, { ok: true, json: '{"rows":[],"rowCount":1}' });
});

test('a key that was used for another call is refused', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn });
  await addItem('gear');
  await callSql(effect, take('gear'), { idempotencyKey: 'mine' });
  const failure = failureOf(await callSql(effect, take('bolt'), { idempotencyKey: 'mine' }));
  assert.equal(failure.reason, 'idempotency_key_reused');
});

test('results that are older than they are kept for are removed', async () => {
  using effect = sqlEffect({ dsn: postgres.dsn, effectsRetentionMs: 60 * 60 * 1000 });
  await admin.query(
    "INSERT INTO nflow_effects (workflow, key, fingerprint, created_at) VALUES ('w', 'old', '', now() - interval '61 minutes'), ('w', 'young', '', now() - interval '59 minutes')",
  );
  await callSql(effect, { sql: 'DELETE FROM stock WHERE false' });
  for (;;) {
    const { rows } = await admin.query("SELECT key FROM nflow_effects WHERE workflow = 'w'");
    if (rows.length === 2) continue;
    assert.deepEqual(rows, [{ key: 'young' }]);
    break;
  }
});

test('a role that may not create the table is told what to create', async () => {
  await admin.query("CREATE ROLE clerk LOGIN PASSWORD 'geheim-77'");
  await admin.query('CREATE DATABASE shop');
  const shop = new URL(postgres.dsn);
  shop.pathname = '/shop';
  const owner = await connect(parseDsn(shop.href), 'test');
  const clerk = new URL(shop);
  [clerk.username, clerk.password] = ['clerk', 'geheim-77'];
  using effect = sqlEffect({ dsn: clerk.href });
  try {
    await owner.query('CREATE TABLE stock (item text); GRANT ALL ON stock TO clerk');
    const insert = { sql: "INSERT INTO stock VALUES ('rod')" };
    const failure = failureOf(await callSql(effect, insert));
    assert.equal(failure.reason, 'effects_table_missing');
    const ddl = /: (CREATE TABLE IF NOT EXISTS nflow_effects .+); or say "exactlyOnce": false$/.exec(
      failure.message,
    )?.[1];
    assert.ok(ddl !== undefined, failure.message);
    assert.equal((await callSql(effect, { ...insert, exactlyOnce: false })).ok, true);
    await owner.query(ddl);
    await owner.query('GRANT SELECT, INSERT, UPDATE, DELETE ON nflow_effects TO clerk');
    assert.equal((await callSql(effect, insert)).ok, true);
  } finally {
    await owner.end();
  }
});
