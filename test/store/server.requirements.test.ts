import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseDsn } from '../../src/config/dsn.ts';
import { NflowError } from '../../src/errors.ts';
import { connect } from '../../src/store/connect.ts';
import { readBinaryFolder } from '../../src/store/embedded/binaries.ts';
import { openStore, type StoreOptions } from '../../src/store/open-store.ts';
import { makeEnd, makeEnded, makeRecord, makeStarted } from '../support/executions.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const never = Number.POSITIVE_INFINITY;
let postgres: TestPostgres;

before(async () => {
  postgres = await startTestPostgres();
});

after(() => postgres.stop());

function optionsFor(dsn: string): StoreOptions {
  return { dsn, serverName: 'test', exclusive: false, unsafe: false, log: silentLog, connectPatienceMs: 500 };
}

async function administer(...statements: string[]): Promise<void> {
  const client = await connect({ ...parseDsn(postgres.dsn), database: 'postgres' }, 'test');
  for (const statement of statements) await client.query(statement);
  await client.end();
}

function refuses(code: string, pattern: RegExp) {
  return (error: unknown) =>
    error instanceof NflowError && error.code === code && pattern.test(`${error.message} ${error.details.got}`);
}

test('a server that may lose commits is refused unless that was accepted', async () => {
  const dsn = await postgres.createDatabase();
  await administer('ALTER SYSTEM SET fsync = off', 'SELECT pg_reload_conf()');
  try {
    const client = await connect(parseDsn(dsn), 'test');
    while ((await client.query<{ fsync: string }>('SHOW fsync')).rows[0]?.fsync !== 'off');
    await client.end();
    await assert.rejects(openStore(optionsFor(dsn)), refuses('invalid_config', /fsync = off/));
    const warnings: string[] = [];
    const store = await openStore({
      ...optionsFor(dsn),
      unsafe: true,
      log: { ...silentLog, warn: (_, message) => warnings.push(message) },
    });
    await store.close(0);
    assert.match(warnings.join(), /fsync = off/);
  } finally {
    await administer('ALTER SYSTEM RESET fsync', 'SELECT pg_reload_conf()');
  }
});

test('a database in another encoding is refused', async () => {
  await administer("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'");
  await assert.rejects(
    openStore(optionsFor(postgres.dsn.replace(/\/nflow$/, '/latin'))),
    refuses('invalid_config', /LATIN1/),
  );
});

test('a wrong password and a missing database are refused at once, without the password', async () => {
  const wrong = postgres.dsn.replace(/nflow:[^@]+@/, 'nflow:hunter2@');
  await assert.rejects(openStore({ ...optionsFor(wrong), connectPatienceMs: 60_000 }), (error) => {
    assert.ok(error instanceof NflowError && error.code === 'invalid_config');
    assert.doesNotMatch(`${error.message} ${JSON.stringify(error.details)}`, /hunter2/);
    return true;
  });
  const missing = postgres.dsn.replace(/\/nflow$/, '/missing');
  await assert.rejects(
    openStore({ ...optionsFor(missing), connectPatienceMs: 60_000 }),
    refuses('invalid_config', /missing/),
  );
});

test('a server that is not there is waited for, and then named', async () => {
  await assert.rejects(
    openStore(optionsFor('host=127.0.0.1 port=1 user=u password=p')),
    refuses('store_unavailable', /database u as u at 127\.0\.0\.1:1/),
  );
});

test('commits wait for the disk whatever the role says, and a stronger setting stays', async () => {
  for (const [setting, expected] of [
    ['off', 'on'],
    ['local', 'on'],
    ['remote_apply', 'remote_apply'],
  ]) {
    await administer(`ALTER ROLE nflow SET synchronous_commit = ${setting}`);
    const client = await connect(parseDsn(postgres.dsn), 'test');
    const { rows } = await client.query<{ synchronous_commit: string }>('SHOW synchronous_commit');
    await client.end();
    assert.equal(rows[0]?.synchronous_commit, expected);
  }
  await administer('ALTER ROLE nflow RESET synchronous_commit');
});

test('an ordinary role that owns its database is enough', async () => {
  await administer("CREATE ROLE app LOGIN PASSWORD 'app'", 'CREATE DATABASE app OWNER app');
  const dsn = postgres.dsn.replace(/nflow:[^@]+@/, 'app:app@').replace(/\/nflow$/, '/app');
  const store = await openStore(optionsFor(dsn));
  const { versionId } = (await store.workflows.publish('shop', '{}')).version;
  await store.ledger.start(makeStarted(versionId), [], never);
  await postgres.kill();
  await postgres.restart();
  await store.ledger.end(makeEnded(versionId), never);
  assert.equal((await store.history.list({ limit: 10 })).items.length, 2);
  await store.close(1_000);
});

const oldFolder = '/usr/lib/postgresql/15/bin';
const old = readBinaryFolder(oldFolder);
test('the store works on PostgreSQL 15', {
  skip: old === null ? `this machine has no PostgreSQL in ${oldFolder}` : false,
}, async () => {
  assert.equal(old?.major, 15);
  const older = await startTestPostgres({ binaries: old });
  try {
    const dsn = await older.createDatabase();
    const first = await openStore(optionsFor(dsn));
    const { versionId } = (await first.workflows.publish('shop', '{}')).version;
    const started = makeStarted(versionId);
    await Promise.all([
      first.ledger.start(started, [makeRecord(1)], never),
      ...Array.from({ length: 50 }, () => first.ledger.end(makeEnded(versionId), never)),
    ]);
    const second = await openStore(optionsFor(dsn));
    const taken: string[] = [];
    await second.incarnation.takeOver([first.incarnation.id], (executions) =>
      taken.push(...executions.map(({ id }) => id)),
    );
    assert.deepEqual(taken, [started.id]);
    await assert.rejects(first.ledger.append(started.id, [makeRecord(2)], never));
    await second.ledger.finish(started.id, makeEnd(), never);
    assert.equal((await second.history.list({ limit: 100 })).items.length, 51);
    assert.equal((await second.history.get(started.id))?.status, 'succeeded');
    await Promise.all([first.close(0), second.close(1_000)]);
  } finally {
    await older.stop();
  }
});
