/** Brings a database to this program's schema. */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { NflowError } from '../errors.ts';
import { type Migration, migrations } from './migrations/all.ts';

/** Any fixed number: servers that start together take turns by it. */
const advisoryLockKey = 7_135_627_931;

/**
 * Applies what is missing, each migration in its own transaction, and returns the numbers it applied.
 * @throws NflowError `invalid_config` when the database is newer than this program, or was migrated by something else.
 */
export async function migrate(client: pg.ClientBase, known: readonly Migration[] = migrations): Promise<number[]> {
  await client.query('SET statement_timeout = 0');
  await client.query('SELECT pg_advisory_lock($1)', [advisoryLockKey]);
  try {
    return await applyMissing(client, known);
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [advisoryLockKey]);
  }
}

async function applyMissing(client: pg.ClientBase, known: readonly Migration[]): Promise<number[]> {
  const { rows: found } = await client.query<{ exists: boolean }>(
    "SELECT to_regclass('nflow.migrations') IS NOT NULL AS exists",
  );
  if (found[0]?.exists !== true) {
    await client.query(`
      CREATE SCHEMA IF NOT EXISTS nflow;
      CREATE TABLE nflow.migrations (
        number integer PRIMARY KEY,
        name text NOT NULL,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
      )`);
  }
  const { rows } = await client.query<{ number: number; name: string; checksum: string }>(
    'SELECT number, name, checksum FROM nflow.migrations ORDER BY number',
  );
  for (const row of rows) assertKnown(row, known);
  const applied = new Set(rows.map((row) => row.number));
  const missing = known.filter((migration) => !applied.has(migration.number));
  for (const migration of missing) await apply(client, migration);
  return missing.map((migration) => migration.number);
}

function assertKnown(row: { number: number; name: string; checksum: string }, known: readonly Migration[]): void {
  const migration = known.find(({ number }) => number === row.number);
  if (migration === undefined) {
    throw new NflowError('invalid_config', 'The database was made by a newer version of nFlow', {
      got: `migration ${row.number} (${row.name})`,
      expected: `at most migration ${known.at(-1)?.number ?? 0}`,
      remedy: 'start the newer version; a database is not taken back',
    });
  }
  if (row.checksum !== checksumOf(migration)) {
    throw new NflowError('invalid_config', `Migration ${row.number} of the database is not the one of this program`, {
      got: `${row.name}, checksum ${row.checksum}`,
      expected: `${migration.name}, checksum ${checksumOf(migration)}`,
      remedy: 'start the version that made it, or use another database',
    });
  }
}

async function apply(client: pg.ClientBase, migration: Migration): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(migration.sql);
    await client.query('INSERT INTO nflow.migrations (number, name, checksum) VALUES ($1, $2, $3)', [
      migration.number,
      migration.name,
      checksumOf(migration),
    ]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

function checksumOf(migration: Migration): string {
  return createHash('sha256').update(migration.sql).digest('hex');
}
