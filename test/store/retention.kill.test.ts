import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseDsn } from '../../src/config/dsn.ts';
import { connect } from '../../src/store/connect.ts';
import { makePartitions, readSpans } from '../../src/store/partitions.ts';
import type { RetentionPoint } from '../../src/store/retention.ts';
import {
  dayMs,
  dropPartitions,
  insertExecutions,
  insertRecord,
  makeIdAt,
  openRetention,
  repeat,
  tablesOf,
} from '../support/history.ts';
import { silentLog, startTestPostgres, type TestPostgres } from '../support/postgres.ts';

const now = Date.UTC(2031, 5, 15, 12);
const program = fileURLToPath(new URL('../support/retention-process.ts', import.meta.url));
let postgres: TestPostgres;

before(async () => {
  postgres = await startTestPostgres();
});

after(() => postgres.stop());

/** What a look from outside must see whatever happened: the living and the held execution, once each, and nothing half. */
const points: [point: RetentionPoint, isRetired: boolean, isDropped: boolean][] = [
  ['rows-kept', false, false],
  ['partition-retired', true, false],
  ['partition-dropped', true, false],
  ['kept-rows-deleted', true, true],
];
for (const [point, isRetired, isDropped] of points) {
  test(`killed at '${point}', nothing that must stay is lost or doubled, and the next run completes it`, async () => {
    const dsn = await postgres.createDatabase();
    const sql = await connect(parseDsn(dsn), 'test');
    const [living, held, ended, released] = [0, 1, 2, 3].map((place) =>
      makeIdAt(now - 15 * dayMs - dayMs / 2 + place),
    ) as [string, string, string, string];
    const young = makeIdAt(now);
    await dropPartitions(sql);
    // The oldest partition is that of these executions.
    await makePartitions(sql, now - 14.5 * dayMs, silentLog);
    await makePartitions(sql, now, silentLog);
    await insertExecutions(sql, [
      { id: living, versionId: 1, status: 'running' },
      { id: held, versionId: 1 },
      { id: ended, versionId: 1 },
      { id: young, versionId: 1 },
    ]);
    for (const id of [living, held, ended]) await insertRecord(sql, id, 1);
    // Kept since long ago, and free to go.
    await sql.query(
      "INSERT INTO nflow.executions_kept (id, version_id, status, durability, trigger, input) VALUES ($1, 1, 2, 0, 0, '')",
      [released],
    );
    await sql.query('INSERT INTO nflow.holds (execution_id) VALUES ($1)', [held]);

    const child = spawn(process.execPath, [program, dsn, String(now), point], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [, signal] = await once(child, 'exit');
    assert.equal(signal, 'SIGKILL');

    // A dead client's transaction is undone when its backend notices: a lock of it is waited for.
    await sql.query('SELECT pg_advisory_lock(7135627932), pg_advisory_unlock(7135627932)');
    const everywhere = await sql.query<{ id: string }>('SELECT id FROM nflow.all_executions ORDER BY id');
    const seen = everywhere.rows.map(({ id }) => id);
    assert.equal(new Set(seen).size, seen.length, 'nothing is there twice');
    for (const id of [living, held, young]) assert.ok(seen.includes(id));
    assert.equal(seen.includes(ended), !isRetired);
    assert.equal(seen.includes(released), true, 'its deletion was not committed');
    const { rows: journal } = await sql.query<{ id: string }>(
      'SELECT execution_id AS id FROM nflow.all_journal ORDER BY 1',
    );
    assert.deepEqual(
      journal.map(({ id }) => id),
      isRetired ? [living, held] : [living, held, ended],
    );
    const { rows: retired } = await sql.query(
      "SELECT FROM pg_class WHERE relname LIKE 'retired\\_%' AND relkind = 'r'",
    );
    assert.equal(retired.length > 0, isRetired && !isDropped);

    const { retention, pool } = openRetention(dsn, { log: silentLog });
    await repeat(() => retention.retireExpired(now));
    await repeat(() => retention.dropRetired());
    await repeat(() => retention.dropKept(now));
    assert.deepEqual(await tablesOf(sql, [living, held, ended, released, young]), {
      [living]: 'executions_kept',
      [held]: 'executions_kept',
      [young]: 'executions_2031_06_15',
    });
    assert.ok((await readSpans(sql)).every(({ toMs }) => toMs > now - 14 * dayMs));
    await pool.close();
    await sql.end();
  });
}
