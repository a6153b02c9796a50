/** Executions at chosen times, and the retention that ends them, on a database of a test. */
import type pg from 'pg';
import { parseDsn } from '../../src/config/dsn.ts';
import { statusCodes } from '../../src/store/codes.ts';
import type { StoreLog } from '../../src/store/log.ts';
import { makePartitions, partitionsOf, readSpans } from '../../src/store/partitions.ts';
import type { ExecutionStatus } from '../../src/store/port.ts';
import { QueryPool } from '../../src/store/query-pool.ts';
import { Retention, type StepResult } from '../../src/store/retention.ts';
import { allSuffixes, slotOf, trees } from '../../src/store/trees.ts';
import { until } from './condition.ts';
import { makeUuid } from './executions.ts';

export const dayMs = 86_400_000;

/** A UUIDv7 of that time and class. */
export function makeIdAt(timeMs: number, slot = 0): string {
  const id = makeUuid(timeMs);
  return `${id.slice(0, 19)}${'89a'[slot]}${id.slice(20)}`;
}

export interface InsertedExecution {
  id: string;
  versionId: number;
  status?: ExecutionStatus;
  error?: string;
  /** Id of an incarnation. */
  owner?: string;
  output?: Uint8Array;
}

/** Writes rows as the ledger would, into the table that their ids name; partitions of their days are made before. */
export async function insertExecutions(sql: pg.ClientBase, executions: InsertedExecution[]): Promise<void> {
  for (const { id, versionId, status = 'succeeded', error, owner, output } of executions) {
    await sql.query(
      `INSERT INTO nflow.${trees[slotOf(id)]?.executions} (id, version_id, status, durability, trigger, input, output, error, owner,
         total_us, started_at_ms, deadline_at_ms, seed, takeovers, takeover_order)
       VALUES ($1, $2, $3::smallint, 0, 0, '{}', $4, $5, $6, CASE WHEN $3::smallint < 2 THEN NULL ELSE 1000 END, 0, 0, '', 0, 0)`,
      [
        id,
        versionId,
        statusCodes[status],
        output ?? null,
        error === undefined ? null : Buffer.from(error),
        owner ?? null,
      ],
    );
  }
}

export async function insertRecord(sql: pg.ClientBase, executionId: string, order: number): Promise<void> {
  await sql.query(
    `INSERT INTO nflow.${trees[slotOf(executionId)]?.journal} (execution_id, step_path, attempt, seq, kind, ok, json, segment,
       segment_time_ms, write_order) VALUES ($1, 'pay', 1, $2, 'http', true, '{}', 0, 0, $2)`,
    [executionId, order],
  );
}

/** The partitions of the template are of the real today: in the time of a test they may be long gone. */
export async function dropPartitions(sql: pg.ClientBase): Promise<void> {
  for (const span of await readSpans(sql)) {
    const { executions, journal } = partitionsOf(span);
    await sql.query(`DROP TABLE nflow.${executions}, nflow.${journal}`);
  }
}

/** Makes the partitions of each of the days, with those around it. */
export async function makeDays(sql: pg.ClientBase, fromMs: number, toMs: number, log: StoreLog): Promise<void> {
  for (let timeMs = fromMs; timeMs <= toMs; timeMs += 7 * dayMs) await makePartitions(sql, timeMs, log);
  await makePartitions(sql, toMs, log);
}

/** A store that is open on the database does maintenance of its own: its locks are waited for. */
export async function stepOnce(step: () => Promise<StepResult>): Promise<StepResult> {
  let result: StepResult = 'busy';
  await until('the locks to be free', async () => {
    result = await step();
    return result !== 'busy';
  });
  return result;
}

/** Runs a step until it has nothing to do. Returns how often it did something. */
export async function repeat(step: () => Promise<StepResult>): Promise<number> {
  for (let count = 0; ; count++) if ((await stepOnce(step)) === 'nothing') return count;
}

/** Names of the tables that hold each of the ids; an id that is nowhere is left out. */
export async function tablesOf(sql: pg.ClientBase, ids: string[]): Promise<Record<string, string>> {
  const parts = allSuffixes.map((suffix) => `SELECT id, tableoid FROM nflow.executions${suffix} WHERE id = ANY($1)`);
  const { rows } = await sql.query<{ id: string; name: string }>(
    `SELECT e.id, c.relname AS name FROM (${parts.join(' UNION ALL ')}) e JOIN pg_class c ON c.oid = e.tableoid`,
    [ids],
  );
  return Object.fromEntries(rows.map(({ id, name }) => [id, name]));
}

export function openRetention(
  dsn: string,
  options: { bytesMax?: number; dayBytesMax?: number; log: StoreLog },
): { retention: Retention; pool: QueryPool } {
  const pool = new QueryPool(parseDsn(dsn), 2);
  const { bytesMax = null, dayBytesMax, log } = options;
  return { pool, retention: new Retention(pool, { bytesMax, dayBytesMax }, log) };
}
