import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { parseDsn } from '../../src/config/dsn.ts';
import { NflowError } from '../../src/errors.ts';
import { connect } from '../../src/store/connect.ts';
import { migrate } from '../../src/store/migrate.ts';
import { migrations } from '../../src/store/migrations/all.ts';
import { describeSchema } from '../../src/store/schema-catalog.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';

let postgres: TestPostgres;
let client: pg.Client;

before(async () => {
  postgres = await startTestPostgres();
  client = await connect(parseDsn(postgres.dsn), 'test');
});

after(async () => {
  await client.end();
  await postgres.stop();
});

test('servers that start together on an empty database apply every migration once', async () => {
  const others = await Promise.all([1, 2, 3].map(() => connect(parseDsn(postgres.dsn), 'test')));
  const applied = await Promise.all([client, ...others].map((each) => migrate(each)));
  await Promise.all(others.map((each) => each.end()));
  assert.deepEqual(
    applied.filter((numbers) => numbers.length > 0),
    [migrations.map(({ number }) => number)],
  );
  assert.deepEqual(await migrate(client), []);
});

test('migrations are numbered from 1 without a gap', () => {
  assert.deepEqual(
    migrations.map(({ number }) => number),
    migrations.map((_, index) => index + 1),
  );
});

test('the committed schema is what the migrations make', async () => {
  const committed = readFileSync(new URL('../../src/store/schema.sql', import.meta.url), 'utf8');
  assert.equal(await describeSchema(client), committed, 'run node tools/schema-dump.ts and look at the difference');
});

test('a migration that fails leaves nothing, and the ones before it stay', async () => {
  const next = migrations.length + 1;
  const broken = [
    ...migrations,
    { number: next, name: 'good', sql: 'CREATE TABLE nflow.good (id integer)' },
    { number: next + 1, name: 'bad', sql: 'CREATE TABLE nflow.half (id integer); SELECT 1 / 0' },
  ];
  await assert.rejects(migrate(client, broken), { code: '22012' });
  const { rows } = await client.query<{ good: boolean; half: boolean }>(
    "SELECT to_regclass('nflow.good') IS NOT NULL AS good, to_regclass('nflow.half') IS NOT NULL AS half",
  );
  assert.deepEqual(rows, [{ good: true, half: false }]);
});

test('a database that is newer than the program is refused', async () => {
  await assert.rejects(
    migrate(client),
    (error) => error instanceof NflowError && error.code === 'invalid_config' && /newer version/.test(error.message),
  );
});

test('a migration that was changed after it was applied is refused', async () => {
  const changed = migrations.map((migration) => ({ ...migration, sql: `${migration.sql} ` }));
  await assert.rejects(
    migrate(client, changed),
    (error) => error instanceof NflowError && /Migration 1 .* is not the one of this program/.test(error.message),
  );
});
