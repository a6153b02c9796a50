import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { parseDsn } from '../../src/config/dsn.ts';
import { NflowError } from '../../src/errors.ts';
import { connect } from '../../src/store/connect.ts';
import { isProcessAlive } from '../../src/store/embedded/process-identity.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/store/embedded/server.ts';
import { embeddedSettings } from '../../src/store/embedded/settings.ts';
import { until } from '../support/condition.ts';
import { silentLog } from '../support/postgres.ts';

let dataDir: string;
const started: EmbeddedPostgres[] = [];

before(() => {
  // Only its owner may enter: like a checkout in the home folder of root.
  dataDir = mkdtempSync(path.join(os.tmpdir(), 'nflow-test-embedded-'));
  chmodSync(dataDir, 0o700);
});

after(async () => {
  await Promise.all(started.map((server) => server.stop()));
  rmSync(dataDir, { recursive: true, force: true });
});

async function start(folder = dataDir): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir: folder, log: silentLog });
  started.push(server);
  return server;
}

async function ask<Row extends object>(dsn: string, sql: string): Promise<Row[]> {
  const client = await connect(parseDsn(dsn), 'test');
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** A process of its own that starts a server and waits; it prints the server's pid. */
function startElsewhere(folder: string): ChildProcess {
  const module = new URL('../../src/store/embedded/server.ts', import.meta.url).href;
  const source = `
    import { startEmbeddedPostgres } from ${JSON.stringify(module)};
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const server = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(folder)}, log });
    console.log(server.pid);
    setInterval(() => {}, 1000);`;
  return spawn(process.execPath, ['--input-type=module', '--eval', source], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function firstLine(child: ChildProcess): Promise<string> {
  for await (const chunk of child.stdout ?? []) return String(chunk).trim();
  throw new Error('the process ended without a word');
}

test('the first start makes a cluster that only its owner can use, and keeps what is written', async () => {
  let server = await start();
  const { rows } = {
    rows: await ask<{ name: string; setting: string }>(server.dsn, 'SELECT name, setting FROM pg_settings'),
  };
  const settings = new Map(rows.map(({ name, setting }) => [name, setting]));
  assert.equal(settings.get('listen_addresses'), '');
  assert.equal(settings.get('fsync'), 'on');
  assert.equal(settings.get('data_checksums'), 'on');
  assert.equal(settings.get('server_encoding'), 'UTF8');
  assert.equal(settings.get('log_min_error_statement'), 'panic');
  assert.deepEqual(
    await ask(
      server.dsn,
      'SELECT datlocprovider AS provider, datlocale AS locale FROM pg_database WHERE datname = current_database()',
    ),
    [{ provider: 'b', locale: 'C.UTF-8' }],
  );
  const work = path.join(dataDir, 'postgres');
  assert.equal(statSync(work).mode & 0o777, 0o700);
  assert.equal(statSync(path.join(work, 'socket')).mode & 0o777, 0o700);
  assert.equal(statSync(path.join(work, 'password')).mode & 0o777, 0o600);
  const wrong = server.dsn.replace(/nflow:[^@]+@/, 'nflow:wrong@');
  await assert.rejects(ask(wrong, 'SELECT 1'), { code: '28P01' });

  await ask(server.dsn, 'CREATE TABLE kept AS SELECT 1 AS one');
  await server.stop();
  assert.deepEqual(await server.exited, { code: 0, signal: null });
  assert.ok(!existsSync(path.join(work, 'owner.lock')));
  server = await start();
  assert.deepEqual(await ask(server.dsn, 'SELECT one FROM kept'), [{ one: 1 }]);
  await server.stop();
});

test('a second start on the same folder is refused and names the pid that holds it', async () => {
  const server = await start();
  await assert.rejects(start(), (error) => {
    assert.ok(error instanceof NflowError && error.code === 'conflict');
    assert.match(error.message, new RegExp(`process ${process.pid}\\b`));
    return true;
  });
  assert.deepEqual(await ask(server.dsn, 'SELECT 1 AS one'), [{ one: 1 }]);
  await server.stop();
});

test('a server that was killed says so, and the next start recovers what was committed', async () => {
  let server = await start();
  await ask(server.dsn, 'CREATE TABLE committed AS SELECT 7 AS seven');
  process.kill(server.pid, 'SIGKILL');
  assert.deepEqual(await server.exited, { code: null, signal: 'SIGKILL' });
  server = await start();
  assert.deepEqual(await ask(server.dsn, 'SELECT seven FROM committed'), [{ seven: 7 }]);
  await server.stop();
});

test('when the owner is killed the server ends by itself, and the next owner does not wait for it to be told', async () => {
  const owner = startElsewhere(dataDir);
  const pid = Number(await firstLine(owner));
  assert.ok(isProcessAlive(pid));
  owner.kill('SIGKILL');
  await until('the server to end', () => !isProcessAlive(pid), 30_000);
  const server = await start();
  await server.stop();
});

test('a start finds the server of an owner that was killed a moment ago, and takes its place', async () => {
  const owner = startElsewhere(dataDir);
  const pid = Number(await firstLine(owner));
  owner.kill('SIGKILL');
  await until('the owner to be gone', () => !isProcessAlive(owner.pid as number));
  const server = await start();
  assert.notEqual(server.pid, pid);
  assert.ok(!isProcessAlive(pid));
  assert.deepEqual(await ask(server.dsn, 'SELECT 1 AS one'), [{ one: 1 }]);
  await server.stop();
});

test('a pid file and a lock of processes that are gone, their pids now used by others, stop nobody', async () => {
  const work = path.join(dataDir, 'postgres');
  writeFileSync(
    path.join(work, 'cluster', 'postmaster.pid'),
    `${process.pid}\n${path.join(work, 'cluster')}\n1\n5432\n\n\n\n`,
  );
  writeFileSync(path.join(work, 'owner.lock'), `${process.pid} 12345\n`);
  const server = await start();
  assert.deepEqual(await ask(server.dsn, 'SELECT 1 AS one'), [{ one: 1 }]);
  await server.stop();
});

test('an interrupted first start, in a folder too deep for a socket path, leaves nothing that the next takes for a cluster', async () => {
  const folder = path.join(dataDir, 'deep'.repeat(30));
  const work = path.join(folder, 'postgres');
  mkdirSync(path.join(work, 'cluster.partial', 'base'), { recursive: true });
  writeFileSync(path.join(work, 'cluster.partial', 'PG_VERSION'), '18\n');
  const server = await start(folder);
  assert.ok(!existsSync(path.join(work, 'cluster.partial')));
  const { host } = parseDsn(server.dsn);
  assert.ok(host.startsWith(os.tmpdir()) && !host.includes('deep'));
  assert.equal(statSync(host).mode & 0o777, 0o700);
  assert.deepEqual(await ask(server.dsn, 'SELECT 1 AS one'), [{ one: 1 }]);
  await server.stop();
  assert.ok(!existsSync(host));
});

test('a server that cannot start gives its last words, and a cluster of another version is not touched', async () => {
  const cluster = path.join(dataDir, 'deep'.repeat(30), 'postgres', 'cluster');
  const folder = path.join(dataDir, 'deep'.repeat(30));
  const control = path.join(cluster, 'global', 'pg_control');
  writeFileSync(control, Buffer.alloc(readFileSync(control).length));
  await assert.rejects(
    start(folder),
    (error) => error instanceof NflowError && /incompatible/.test(error.details.got ?? ''),
  );
  writeFileSync(path.join(cluster, 'PG_VERSION'), '13\n');
  await assert.rejects(start(folder), (error) => error instanceof NflowError && /PostgreSQL 13/.test(error.message));
});

test('every setting has a reason and stands once', () => {
  const settings = embeddedSettings('/socket', 18, 16 * 2 ** 30, 100 * 2 ** 30);
  assert.deepEqual(
    settings.filter(({ reason }) => reason.trim() === ''),
    [],
  );
  const names = settings.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  const value = (name: string, from = settings) => from.find((setting) => setting.name === name)?.value;
  assert.equal(value('shared_buffers'), '2048MB');
  assert.equal(value('max_wal_size'), '8192MB');
  const small = embeddedSettings('/socket', 14, 2 ** 30, 4 * 2 ** 30);
  assert.equal(value('shared_buffers', small), '128MB');
  assert.equal(value('max_wal_size', small), '1024MB');
  assert.equal(value('io_method', small), undefined);
});
