import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { openKeyRing, secretKeyPath } from '../../src/secrets/key-ring.ts';
import { SecretVault } from '../../src/secrets/vault.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/port.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const binding = { hosts: ['api.example.com'], effects: ['crypto'], workflows: ['orders-*'] };
const noKeys = { key: null, previousKey: null };
const log = { info: () => {}, warn: () => {}, error: () => {} };

let postgres: TestPostgres;
let store: Store;
let dsn: string;
let folder: string;

before(async () => {
  postgres = await startTestPostgres();
  dsn = await postgres.createDatabase();
  store = await openStore({ dsn, serverName: 'test-machine', exclusive: true, unsafe: false, log: silentLog });
  folder = mkdtempSync(join(tmpdir(), 'nflow-test-secrets-'));
});

after(async () => {
  await store?.close(1_000);
  await postgres?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function openVault(keys = openKeyRing(noKeys, folder)) {
  const vault = await SecretVault.open({ store: store.secrets, keys, log });
  return Object.assign(vault, { [Symbol.dispose]: () => vault.close() });
}

async function query(sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    await client.end();
  }
}

test('a secret is encrypted in the database, and another server reads it with the same key', async () => {
  using vault = await openVault();
  const summary = await vault.set('TOKEN', 'sk_live_0123456789', binding);
  assert.deepEqual([summary.name, summary.hosts, summary.isReadable], ['TOKEN', ['api.example.com'], true]);
  const [row] = await query('SELECT * FROM nflow.secrets');
  assert.doesNotMatch(Buffer.from(row?.sealed as Buffer).toString('latin1'), /sk_live/);
  assert.equal(statSync(secretKeyPath(folder)).mode & 0o777, 0o600);
  using other = await openVault();
  assert.equal(other.find('TOKEN')?.value, 'sk_live_0123456789');
  assert.deepEqual(
    other.grantedTo('orders-eu').map(({ name }) => name),
    ['TOKEN'],
  );
  assert.deepEqual(other.grantedTo('invoices'), []);
  await vault.set('TOKEN', 'sk_live_another', binding);
  await other.refresh();
  assert.equal(other.find('TOKEN')?.value, 'sk_live_another');
});

test('a row cannot be passed off as another secret, nor changed', async () => {
  using vault = await openVault();
  await vault.set('SWAPPED', 'value of swapped', binding);
  await query(`UPDATE nflow.secrets s SET nonce = o.nonce, sealed = o.sealed, revision = nextval('nflow.secret_revisions')
    FROM nflow.secrets o WHERE s.name = 'SWAPPED' AND o.name = 'TOKEN'`);
  const listed = await vault.list();
  assert.equal(vault.find('SWAPPED'), null);
  assert.equal(listed.find(({ name }) => name === 'SWAPPED')?.isReadable, false);
  await vault.delete('SWAPPED');
  await assert.rejects(vault.delete('SWAPPED'), { code: 'not_found' });
});

test('a rotation encrypts everything with a new key of the file, and forgets the old one', async () => {
  using vault = await openVault();
  const [before] = await query('SELECT key_id, sealed FROM nflow.secrets');
  const fileBefore = readFileSync(secretKeyPath(folder), 'utf8');
  const rotated = await vault.rotateKey();
  assert.equal(rotated.secrets, 1);
  const [row] = await query('SELECT key_id, sealed FROM nflow.secrets');
  assert.notDeepEqual(row, before);
  assert.equal(row?.key_id, rotated.keyId);
  const file = readFileSync(secretKeyPath(folder), 'utf8');
  assert.notEqual(file, fileBefore);
  assert.equal(file.split('\n').filter((line) => /^[0-9a-f]{64}$/.test(line)).length, 1);
  using reopened = await openVault();
  assert.equal(reopened.find('TOKEN')?.value, 'sk_live_another');
});

test('a configured key is changed with the one before beside it', async () => {
  const [first, second] = ['1'.repeat(64), '2'.repeat(64)] as const;
  const inFile = readFileSync(secretKeyPath(folder), 'utf8').split('\n')[1] as string;
  {
    using vault = await openVault(openKeyRing({ key: first, previousKey: inFile }, folder));
    assert.equal((await vault.rotateKey()).secrets, 1);
  }
  {
    using vault = await openVault(openKeyRing({ key: second, previousKey: null }, folder));
    assert.equal(vault.find('TOKEN'), null);
    await assert.rejects(vault.rotateKey(), { code: 'conflict' });
  }
  using vault = await openVault(openKeyRing({ key: second, previousKey: first }, folder));
  await vault.rotateKey();
  using last = await openVault(openKeyRing({ key: second, previousKey: null }, folder));
  assert.equal(last.find('TOKEN')?.value, 'sk_live_another');
});

test('what cannot be kept is refused without being shown', async () => {
  using vault = await openVault(openKeyRing({ key: '2'.repeat(64), previousKey: null }, folder));
  const refused = async (name: string, value: unknown, given = binding): Promise<void> => {
    await assert.rejects(vault.set(name, value, given), (error: Error & { code: string }) => {
      assert.equal(error.code, 'invalid_input');
      assert.doesNotMatch(JSON.stringify(error), /hunte/);
      return true;
    });
  };
  await refused('SHORT', 'hunte');
  await refused('NUMBER', 123456);
  await refused('bad-name', 'hunter22');
  await refused('NOWHERE', 'hunter22', { ...binding, hosts: [], effects: [] });
});

test('a key file that others can read, or without keys, is refused', () => {
  const own = mkdtempSync(join(tmpdir(), 'nflow-test-secrets-'));
  try {
    openKeyRing(noKeys, own);
    chmodSync(secretKeyPath(own), 0o644);
    assert.throws(() => openKeyRing(noKeys, own), { code: 'invalid_config', message: /Other users/ });
    chmodSync(secretKeyPath(own), 0o600);
    writeFileSync(secretKeyPath(own), 'nothing\n');
    assert.throws(() => openKeyRing(noKeys, own), { code: 'invalid_config' });
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
});
