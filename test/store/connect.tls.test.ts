import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { parseDsn, type SslMode, sslModes } from '../../src/config/dsn.ts';
import { NflowError } from '../../src/errors.ts';
import { connect } from '../../src/store/connect.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const opensslIsMissing =
  spawnSync('openssl', ['version']).status === 0 ? false : 'there is no openssl to make certificates with';
/** The port is part of the socket's name and stays: a loopback address of our own keeps others out of the way. */
const address = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
let folder: string;
let postgres: TestPostgres;
let password: string;

before(async () => {
  if (opensslIsMissing !== false) return;
  folder = mkdtempSync(path.join(os.tmpdir(), 'nflow-test-tls-'));
  // One for the address that is connected to, and one for another.
  for (const [name, subject] of [
    ['server', `IP:${address}`],
    ['stranger', 'DNS:elsewhere.example'],
  ] as const) {
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=test',
      ].concat(['-addext', `subjectAltName=${subject}`, '-keyout', file(`${name}.key`), '-out', file(`${name}.crt`)]),
      { stdio: 'ignore' },
    );
    chmodSync(file(`${name}.key`), 0o600);
  }
  postgres = await startTestPostgres();
  password = parseDsn(postgres.dsn).password ?? '';
  await configure('server', 'host all all all scram-sha-256');
});

after(async () => {
  if (opensslIsMissing !== false) return;
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string): string {
  return path.join(folder, name);
}

/** Makes the server listen on TCP with a certificate, and let in what the rule says; null: without TLS. */
async function configure(certificate: string | null, rule: string): Promise<void> {
  writeFileSync(file('hba.conf'), `local all all scram-sha-256\n${rule}\n`);
  const client = await connect(parseDsn(postgres.dsn), 'test');
  const settings = {
    listen_addresses: address,
    hba_file: file('hba.conf'),
    ssl: certificate === null ? 'off' : 'on',
    ssl_cert_file: file(`${certificate ?? 'server'}.crt`),
    ssl_key_file: file(`${certificate ?? 'server'}.key`),
  };
  for (const [name, value] of Object.entries(settings)) await client.query(`ALTER SYSTEM SET ${name} = '${value}'`);
  await client.end();
  await postgres.kill();
  await postgres.restart();
}

/** True or false: connected, with or without encryption; null: refused. */
async function encrypts(sslMode: SslMode, rootCert = 'server'): Promise<boolean | null> {
  const sslRootCert = sslMode.startsWith('verify') ? file(`${rootCert}.crt`) : null;
  const dsn = { ...parseDsn(postgres.dsn), host: address, password, sslMode, sslRootCert };
  try {
    const client = await connect(dsn, 'test');
    const { rows } = await client.query<{ ssl: boolean }>('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    await client.end();
    return rows[0]?.ssl ?? null;
  } catch {
    return null;
  }
}

test('with a server that offers encryption each mode does what libpq does', { skip: opensslIsMissing }, async () => {
  const results = await Promise.all(sslModes.map(async (mode) => [mode, await encrypts(mode)]));
  assert.deepEqual(Object.fromEntries(results), {
    disable: false,
    allow: false,
    prefer: true,
    require: true,
    'verify-ca': true,
    'verify-full': true,
  });
  assert.equal(await encrypts('verify-full', 'stranger'), null);
  assert.equal(await encrypts('verify-ca', 'stranger'), null);
});

test('a certificate of another name is good enough for verify-ca, not for verify-full', {
  skip: opensslIsMissing,
}, async () => {
  await configure('stranger', 'hostssl all all all scram-sha-256');
  assert.equal(await encrypts('require'), true);
  assert.equal(await encrypts('verify-ca', 'stranger'), true);
  assert.equal(await encrypts('verify-full', 'stranger'), null);
  // The server insists on encryption.
  assert.equal(await encrypts('disable'), null);
  assert.equal(await encrypts('allow'), true);
});

test('a server without encryption serves only the modes that do not insist on it', {
  skip: opensslIsMissing,
}, async () => {
  await configure(null, 'host all all all scram-sha-256');
  const results = await Promise.all(sslModes.map(async (mode) => [mode, await encrypts(mode)]));
  assert.deepEqual(Object.fromEntries(results), {
    disable: false,
    allow: false,
    prefer: false,
    require: null,
    'verify-ca': null,
    'verify-full': null,
  });
});

test('a certificate file that cannot be read is named', { skip: opensslIsMissing }, async () => {
  const dsn = {
    ...parseDsn(postgres.dsn),
    host: 'localhost',
    sslMode: 'verify-full',
    sslRootCert: '/no/such.pem',
  } as const;
  await assert.rejects(
    connect(dsn, 'test'),
    (error) =>
      error instanceof NflowError && error.code === 'invalid_config' && error.details.pointer === 'sslrootcert',
  );
});
