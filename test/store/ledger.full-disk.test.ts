import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { parseDsn } from '../../src/config/dsn.ts';
import { NflowError } from '../../src/errors.ts';
import { connect } from '../../src/store/connect.ts';
import { openStore } from '../../src/store/open-store.ts';
import { partitionName } from '../../src/store/partitions.ts';
import { until } from '../support/condition.ts';
import { makeEnded } from '../support/executions.ts';
import { dayMs } from '../support/history.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const diskBytes = 48 * 1024 * 1024;
const fillerBytes = 32 * 1024 * 1024;

/** A small disk of its own, for the partitions of today. Null where this machine does not allow one. */
function mountSmallDisk(): string | null {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'nflow-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    return null;
  }
}

const disk = mountSmallDisk();
let postgres: TestPostgres | null = null;

before(async () => {
  if (disk !== null) postgres = await startTestPostgres();
});

after(async () => {
  await postgres?.stop();
  if (disk === null) return;
  execFileSync('umount', ['-l', disk]);
  rmSync(disk, { recursive: true, force: true });
});

/** The user that the server runs as: the one that owns its cluster. */
function ownerOf(dsn: string): { uid: number; gid: number } {
  const socketDir = parseDsn(dsn).host;
  return statSync(
    path.join(socketDir ?? '', readdirSync(socketDir ?? '').find((name) => name.startsWith('.s.')) ?? ''),
  );
}

test('on a full disk writes are refused with a reason, nothing confirmed is lost, and all goes on once there is room', {
  skip: disk === null ? 'this machine does not let the test mount a disk' : false,
}, async () => {
  assert.ok(postgres !== null && disk !== null);
  const dsn = await postgres.createDatabase();
  const { uid, gid } = ownerOf(dsn);
  chownSync(disk, uid, gid);
  const sql = await connect(parseDsn(dsn), 'test');
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (fields: object) => warnings.push(JSON.stringify(fields)) };
  const store = await openStore({ dsn, serverName: 'test', exclusive: true, unsafe: false, log });
  const { versionId } = (await store.workflows.publish('shop', '{}')).version;
  await sql.query(`CREATE TABLESPACE small LOCATION '${disk}'`);
  const today = Math.floor(Date.now() / dayMs) * dayMs;
  for (const dayStart of [today, today + dayMs]) {
    const name = partitionName('executions', dayStart, dayStart + dayMs);
    await sql.query(`ALTER TABLE nflow.${name} SET TABLESPACE small`);
  }
  const filler = path.join(disk, 'filler');
  writeFileSync(filler, Buffer.alloc(fillerBytes));

  // Random bytes: nothing to compress.
  const makeLarge = () =>
    makeEnded(versionId, { output: Buffer.from(JSON.stringify(randomBytes(1_000_000).toString('base64'))) });
  const confirmed: string[] = [];
  let refusal: unknown = null;
  while (refusal === null) {
    const execution = makeLarge();
    try {
      await store.ledger.end(execution, performance.now() + 4_000);
      confirmed.push(execution.id);
    } catch (error) {
      refusal = error;
    }
  }
  assert.ok(refusal instanceof NflowError && refusal.code === 'store_unavailable');
  // It was refused each time: it is certain that it is not there.
  assert.equal(refusal.details.got, undefined);
  assert.match(String(refusal.cause), /No space left on device/);
  assert.ok(confirmed.length > 0 && warnings.some((text) => text.includes('53100')));
  // What is recorded behind its answer waits.
  const waiting = makeLarge();
  const written = store.ledger.end({ ...waiting, durability: 'recorded' }, Number.POSITIVE_INFINITY);
  await until('the trouble to be told', () => store.trouble?.startsWith('53100') === true);
  assert.equal(await store.isAvailable(), false);
  assert.equal(store.stats().pendingRows, 1);

  rmSync(filler);
  await written;
  await until('the store to be available', () => store.isAvailable());
  assert.equal(store.trouble, null);
  confirmed.push(waiting.id);
  for (const id of confirmed) {
    const stored = await store.history.get(id);
    assert.equal(stored?.status, 'succeeded');
    assert.ok((stored?.output?.length ?? 0) > 1_000_000);
  }
  assert.equal((await store.history.list({ limit: 500 })).items.length, confirmed.length);
  await store.close(1_000);
  await sql.end();
});
