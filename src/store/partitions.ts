/**
 * Partitions of the history, made ahead of time so that no insert waits for one. What has no partition goes into the default one,
 * and is moved when its partition is made. A partition holds a day, or an hour where a day would be too large to drop at once.
 */
import type pg from 'pg';
import type { StoreLog } from './log.ts';
import { type Tree, trees } from './trees.ts';
import { uuidAtTimeMs } from './uuid.ts';

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
export const daysAhead = 7;
/** Rows of yesterday may still be written: clocks differ, and an execution that began before midnight ends after. */
export const daysBehind = 1;
/** Days from tomorrow on that are made of hours where hours are needed: those after them are made anew when they are near. */
export const hourlyDaysAhead = 2;

/** Any fixed number: one server at a time makes and drops partitions. */
export const advisoryLockKey = 7_135_627_932;
/** What waits for a lock of ours must not make the commits wait that come behind it. */
export const lockTimeout = "SET LOCAL lock_timeout = '100ms'";

/** The two partitions of a tree that hold one stretch of time. */
export interface Span {
  readonly tree: Tree;
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
}

interface Partition {
  /** The partitioned table. */
  table: string;
  column: string;
  name: string;
  fromMs: number;
  toMs: number;
}

/**
 * Makes the partitions from yesterday to a week ahead that do not exist, for every class, all in one transaction.
 * @param nowMs PostgreSQL's clock, ms since the epoch.
 * @param hourly slots of classes whose next days are made of hours.
 * @returns the names of those that it made.
 */
export async function makePartitions(
  client: pg.ClientBase,
  nowMs: number,
  log: StoreLog,
  hourly: ReadonlySet<number> = new Set(),
): Promise<string[]> {
  // Mostly there is nothing to do, and that is known without taking a lock.
  if ((await missingPartitions(client, nowMs, hourly)).length === 0) return [];
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [advisoryLockKey]);
    await client.query("SET LOCAL lock_timeout = '5s'");
    const missing = await missingPartitions(client, nowMs, hourly);
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

/** `executions_2026_11_25`, or `executions_2026_11_25_13` for an hour. */
export function partitionName(table: string, fromMs: number, toMs: number): string {
  const length = toMs - fromMs === hourMs ? 13 : 10;
  return `${table}_${new Date(fromMs).toISOString().slice(0, length).replaceAll(/[-T]/g, '_')}`;
}

/** Spans whose `executions` partition exists, oldest first. */
export async function readSpans(client: pg.ClientBase): Promise<Span[]> {
  const { rows } = await client.query<{ name: string; parent: string }>(
    `SELECT c.relname AS name, p.relname AS parent
     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
     JOIN pg_namespace n ON n.oid = p.relnamespace
     WHERE n.nspname = 'nflow' AND p.relname = ANY($1)`,
    [trees.map(({ executions }) => executions)],
  );
  return rows
    .flatMap(({ name, parent }): Span[] => {
      const tree = trees.find(({ executions }) => executions === parent);
      const time = readTime(name.slice(parent.length));
      return tree === undefined || time === null ? [] : [{ tree, ...time }];
    })
    .sort((a, b) => a.fromMs - b.fromMs || a.tree.slot - b.tree.slot);
}

/** Names of the partitions of a span: executions, journal. */
export function partitionsOf({ tree, fromMs, toMs }: Span): { executions: string; journal: string } {
  return {
    executions: partitionName(tree.executions, fromMs, toMs),
    journal: partitionName(tree.journal, fromMs, toMs),
  };
}

function readTime(suffix: string): { fromMs: number; toMs: number } | null {
  const match = /^_(\d{4})_(\d{2})_(\d{2})(?:_(\d{2}))?$/.exec(suffix);
  if (match === null) return null;
  const [, year, month, day, hour] = match;
  const fromMs = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour ?? 0));
  return { fromMs, toMs: fromMs + (hour === undefined ? dayMs : hourMs) };
}

async function missingPartitions(
  client: pg.ClientBase,
  nowMs: number,
  hourly: ReadonlySet<number>,
): Promise<Partition[]> {
  const spans = await readSpans(client);
  const { rows } = await client.query<{ slot: number }>('SELECT slot FROM nflow.history_classes ORDER BY slot');
  const today = Math.floor(nowMs / dayMs) * dayMs;
  const missing: Partition[] = [];
  for (const { slot } of rows) {
    const tree = trees[slot] as Tree;
    const existing = spans.filter((span) => span.tree.slot === slot);
    const wanted: Span[] = [];
    for (let day = -daysBehind; day <= daysAhead; day++) {
      const isHourly = hourly.has(slot) && day >= 1 && day <= hourlyDaysAhead;
      wanted.push(...missingOfDay(tree, today + day * dayMs, existing, isHourly));
    }
    for (const [table, column] of [
      [tree.executions, 'id'],
      [tree.journal, 'execution_id'],
    ] as const) {
      for (const { fromMs, toMs } of wanted) {
        missing.push({ table, column, name: partitionName(table, fromMs, toMs), fromMs, toMs });
      }
    }
  }
  return missing;
}

/** A day that has begun to be made of hours is completed with hours. */
function missingOfDay(tree: Tree, dayStartMs: number, existing: Span[], isHourly: boolean): Span[] {
  const dayEndMs = dayStartMs + dayMs;
  const within = existing.filter(({ fromMs, toMs }) => fromMs < dayEndMs && toMs > dayStartMs);
  if (within.length === 0 && !isHourly) return [{ tree, fromMs: dayStartMs, toMs: dayEndMs }];
  const missing: Span[] = [];
  for (let fromMs = dayStartMs; fromMs < dayEndMs; fromMs += hourMs) {
    const toMs = fromMs + hourMs;
    if (!within.some((span) => span.fromMs <= fromMs && span.toMs >= toMs)) missing.push({ tree, fromMs, toMs });
  }
  return missing;
}

/** Attaching locks the parent so weakly that inserts go on; only the default partition is locked, which is empty. */
async function makePartition(client: pg.ClientBase, partition: Partition): Promise<number> {
  const { table, column, name, fromMs, toMs } = partition;
  const from = uuidAtTimeMs(fromMs);
  const to = uuidAtTimeMs(toMs);
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
