/**
 * Daily partitions of the history, made ahead of time so that no insert waits for one. What has no partition goes into the
 * default one, and is moved when its day is made.
 */
import type pg from 'pg';
import type { StoreLog } from './log.ts';
import { uuidAtTimeMs } from './uuid.ts';

const dayMs = 86_400_000;
const daysAhead = 7;
/** Rows of yesterday may still be written: clocks differ, and an execution that began before midnight ends after. */
const daysBehind = 1;

/** Any fixed number: one server at a time makes partitions. */
const advisoryLockKey = 7_135_627_932;

/** Partitioned tables with the column that is the execution's id. */
const partitionedTables = [
  { table: 'executions', column: 'id' },
  { table: 'journal', column: 'execution_id' },
] as const;

/**
 * Makes the partitions from yesterday to a week ahead that do not exist, all in one transaction.
 * @param nowMs PostgreSQL's clock, ms since the epoch.
 * @returns the names of those that it made.
 */
export async function makePartitions(client: pg.ClientBase, nowMs: number, log: StoreLog): Promise<string[]> {
  // Mostly there is nothing to do, and that is known without taking a lock.
  if ((await missingPartitions(client, nowMs)).length === 0) return [];
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [advisoryLockKey]);
    await client.query("SET LOCAL lock_timeout = '5s'");
    const missing = await missingPartitions(client, nowMs);
    for (const partition of missing) {
      const moved = await makePartition(client, partition);
      if (moved > 0)
        log.warn({ partition: partition.name, rows: moved }, 'rows had gone into the default partition: moved');
    }
    await client.query('COMMIT');
    return missing.map(({ name }) => name);
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

export function partitionName(table: string, dayStartMs: number): string {
  return `${table}_${new Date(dayStartMs).toISOString().slice(0, 10).replaceAll('-', '_')}`;
}

interface Partition {
  table: string;
  column: string;
  name: string;
  fromMs: number;
}

async function missingPartitions(client: pg.ClientBase, nowMs: number): Promise<Partition[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'nflow' AND c.relispartition`,
  );
  const existing = new Set(rows.map(({ name }) => name));
  const today = Math.floor(nowMs / dayMs) * dayMs;
  const missing: Partition[] = [];
  for (const { table, column } of partitionedTables) {
    for (let day = -daysBehind; day <= daysAhead; day++) {
      const fromMs = today + day * dayMs;
      const name = partitionName(table, fromMs);
      if (!existing.has(name)) missing.push({ table, column, name, fromMs });
    }
  }
  return missing;
}

/** Attaching locks the parent so weakly that inserts go on; only the default partition is locked, which is empty. */
async function makePartition(client: pg.ClientBase, { table, column, name, fromMs }: Partition): Promise<number> {
  const from = uuidAtTimeMs(fromMs);
  const to = uuidAtTimeMs(fromMs + dayMs);
  // Rows are written once and dropped by the day: a vacuum after inserts would read them all for nothing.
  await client.query(
    `CREATE TABLE nflow.${name} (LIKE nflow.${table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE)
       WITH (autovacuum_vacuum_insert_threshold = -1, toast.autovacuum_vacuum_insert_threshold = -1);
     LOCK TABLE nflow.${table}_default IN ACCESS EXCLUSIVE MODE`,
  );
  const { rowCount } = await client.query(
    `WITH moved AS (DELETE FROM nflow.${table}_default WHERE ${column} >= '${from}' AND ${column} < '${to}' RETURNING *)
     INSERT INTO nflow.${name} SELECT * FROM moved`,
  );
  await client.query(
    `ALTER TABLE nflow.${table} ATTACH PARTITION nflow.${name} FOR VALUES FROM ('${from}') TO ('${to}')`,
  );
  return rowCount ?? 0;
}
