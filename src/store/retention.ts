/**
 * What ends the life of executions: partitions go as a whole, by age or by `max_bytes`. There is no mass DELETE, so there is nothing
 * to vacuum after it.
 *
 *   attached ──► retired ──► gone
 *
 * A partition is *retired* in one transaction: the rows that must stay (not over yet, or held) are copied to the kept tables, and it
 * is detached and renamed. Its files are removed in a second one, which touches nothing that a commit uses. A crash leaves one of the three
 * states, all of which a later run goes on from.
 *
 * Detaching locks the partitioned table for the moment of the COMMIT. While it waits for that lock, commits wait behind it; so it waits
 * at most 100 ms, and comes back later. Each step takes the advisory lock that one server at a time gets, and looks at the
 * catalog anew: what another server has done meanwhile is done.
 */
import diagnosticsChannel from 'node:diagnostics_channel';
import type pg from 'pg';
import { firstEnded } from './codes.ts';
import { isDatabaseError } from './database-error.ts';
import type { StoreLog } from './log.ts';
import {
  advisoryLockKey,
  dayMs,
  daysBehind,
  hourlyDaysAhead,
  hourMs,
  lockTimeout,
  partitionsOf,
  readSpans,
  type Span,
} from './partitions.ts';
import type { QueryPool } from './query-pool.ts';
import { keptSuffix, slotSql, type Tree, trees } from './trees.ts';
import { uuidAtTimeMs } from './uuid.ts';

/** A day larger than this is made of hours: dropping that much at once would keep the disk busy for seconds. */
export const dayBytesMax = 10 * 1024 ** 3;
/** Partitions that `max_bytes` asks for at least: with fewer, dropping the oldest would drop most of the history. */
const partitionsInBudget = 4;
/** One transaction: copying what stays of a partition must not take longer. */
const stepDeadlineMs = 120_000;
const stepTimeout = `SET LOCAL statement_timeout = '${stepDeadlineMs}ms'`;
/** Kept rows deleted at a time. */
const keptBatch = 500;
const defaultRowsCountMax = 1_000_000;
const retiredPrefix = 'retired_';

/** Kill tests listen here; without a listener nothing is published. */
const points = diagnosticsChannel.channel('nflow:point');
/** The first, third and last are reached before the COMMIT. */
export type RetentionPoint = 'rows-kept' | 'partition-retired' | 'partition-dropped' | 'kept-rows-deleted';

export interface RetentionOptions {
  /** Bytes of history on disk above which the oldest partitions go before their time; null for no limit. */
  bytesMax: number | null;
  /** Larger days are made of hours; shorter in tests. */
  dayBytesMax?: number;
}

/** Of one step: done (or, of a partition, retired), nothing to do, or somebody holds a lock and it is to be tried later. */
export type StepResult = 'done' | 'retired' | 'nothing' | 'busy';

export class Retention {
  readonly #pool: QueryPool;
  readonly #log: StoreLog;
  readonly #bytesMax: number | null;
  readonly #dayBytesMax: number;

  constructor(pool: QueryPool, options: RetentionOptions, log: StoreLog) {
    this.#pool = pool;
    this.#log = log;
    this.#bytesMax = options.bytesMax;
    this.#dayBytesMax = Math.min(
      options.dayBytesMax ?? dayBytesMax,
      (options.bytesMax ?? Number.POSITIVE_INFINITY) / partitionsInBudget,
    );
  }

  /**
   * Retires one partition that is older than the retention of its class, the oldest first.
   * @param nowMs PostgreSQL's clock, ms since the epoch.
   */
  async retireExpired(nowMs: number): Promise<StepResult> {
    return this.#step(async (client) => {
      const retentions = await readRetentions(client);
      const span = (await readSpans(client)).find(
        ({ tree, toMs }) => toMs <= nowMs - (retentions.get(tree.slot) ?? Number.POSITIVE_INFINITY),
      );
      if (span === undefined) return 'nothing';
      await this.#retire(client, span, nowMs, 'its class keeps nothing that old');
      return 'retired';
    });
  }

  /** Retires the oldest partition while the history takes more than `max_bytes`. The partition of now stays. */
  async retireForSpace(nowMs: number): Promise<StepResult> {
    const bytesMax = this.#bytesMax;
    if (bytesMax === null) return 'nothing';
    return this.#step(async (client) => {
      const bytes = await readHistoryBytes(client);
      if (bytes <= bytesMax) return 'nothing';
      const span = (await readSpans(client)).find(({ toMs }) => toMs <= nowMs);
      if (span === undefined) {
        this.#log.error(
          { bytes, bytesMax },
          'the history takes more than [history] max_bytes, and only the current partition is left, which stays: raise it, or record less',
        );
        return 'nothing';
      }
      await this.#retire(client, span, nowMs, `the history takes ${bytes} bytes of the ${bytesMax} of max_bytes`);
      return 'retired';
    });
  }

  /** Removes the tables that were retired. */
  async dropRetired(): Promise<StepResult> {
    return this.#step(async (client) => {
      const { rows } = await client.query<{ name: string }>(
        `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'nflow' AND c.relkind = 'r' AND c.relname LIKE '${retiredPrefix.replace('_', '\\_')}%' ORDER BY 1 LIMIT 2`,
      );
      if (rows.length === 0) return 'nothing';
      await client.query(`DROP TABLE ${rows.map(({ name }) => `nflow.${name}`).join(', ')}`);
      reach('partition-dropped');
      return 'done';
    });
  }

  /**
   * Deletes a few kept rows that need not stay any more: over, not held, and ended longer ago than their class keeps. There are few
   * of them, so here a DELETE is right.
   */
  async dropKept(nowMs: number): Promise<StepResult> {
    return this.#step(async (client) => {
      const retentions = await readRetentions(client);
      const oldestMs = trees.map(({ slot }) => nowMs - (retentions.get(slot) ?? 0));
      const { rowCount } = await client.query(
        `WITH gone AS (
           DELETE FROM nflow.executions_kept WHERE id IN (
             SELECT e.id FROM nflow.executions_kept e
             WHERE e.status >= ${firstEnded} AND coalesce(e.ended_at_ms, ${timeSql('e.id')}) < ($1::float8[])[1 + ${slotSql('e.id')}]
               AND NOT EXISTS (SELECT FROM nflow.holds h WHERE h.execution_id = e.id AND ${holdsSql('$2')})
             LIMIT ${keptBatch})
           RETURNING id),
         gone_holds AS (DELETE FROM nflow.holds WHERE execution_id IN (SELECT id FROM gone))
         DELETE FROM nflow.journal_kept WHERE execution_id IN (SELECT id FROM gone)`,
        [oldestMs, nowMs],
      );
      reach('kept-rows-deleted');
      return rowCount === 0 ? 'nothing' : 'done';
    });
  }

  /**
   * Moves rows that came when their partition was gone, from the default partitions to the kept tables: results of an execution that
   * outlived its partition, or executions that were given an old id by a wrong clock.
   */
  async keepLateRows(nowMs: number): Promise<StepResult> {
    return this.#step(async (client) => {
      let moved = 0;
      // Partitions of earlier days are never made: what lies in a default one, older than these, stays there for ever.
      const before = uuidAtTimeMs((Math.floor(nowMs / dayMs) - daysBehind) * dayMs);
      for (const tree of trees) moved += await moveLateRows(client, tree, before);
      if (moved === 0) return 'nothing';
      this.#log.warn({ rows: moved }, 'rows of executions older than every partition were moved to the kept tables');
      return 'done';
    });
  }

  /**
   * Which classes need partitions of an hour for their next days, by what yesterday and today take. Between the limit and its
   * half nothing changes.
   */
  async hourlySlots(nowMs: number): Promise<Set<number>> {
    return this.#pool.use(async (client) => {
      const today = Math.floor(nowMs / dayMs) * dayMs;
      const spans = (await readSpans(client)).filter(({ fromMs }) => fromMs >= today - dayMs);
      const sizes = await readSpanBytes(client, spans);
      const hourly = new Set<number>();
      for (const { slot } of trees) {
        const bytesFrom = (dayStartMs: number): number =>
          spans.reduce(
            (sum, span, index) =>
              span.tree.slot === slot && span.fromMs >= dayStartMs && span.toMs <= dayStartMs + dayMs
                ? sum + (sizes[index] as number)
                : sum,
            0,
          );
        // The first hours say little about a whole day.
        const elapsed = Math.max(nowMs - today, 2 * hourMs) / dayMs;
        const dayBytes = Math.max(bytesFrom(today - dayMs), bytesFrom(today) / elapsed);
        const isHourly = spans.some(
          (span) => span.tree.slot === slot && span.fromMs === today + dayMs && span.toMs === today + dayMs + hourMs,
        );
        if (dayBytes > this.#dayBytesMax || (isHourly && dayBytes > this.#dayBytesMax / 2)) hourly.add(slot);
      }
      return hourly;
    });
  }

  /** Drops the empty partitions of one of the next days whose size is not the one that is wanted, so that they are made anew. */
  async unmakeWrongSize(nowMs: number, hourly: ReadonlySet<number>): Promise<StepResult> {
    return this.#step(async (client) => {
      const today = Math.floor(nowMs / dayMs) * dayMs;
      const spans = await readSpans(client);
      for (const { slot } of trees) {
        for (let day = 1; day <= hourlyDaysAhead; day++) {
          const dayStartMs = today + day * dayMs;
          const wrong = spans.filter(
            ({ tree, fromMs, toMs }) =>
              tree.slot === slot &&
              fromMs >= dayStartMs &&
              toMs <= dayStartMs + dayMs &&
              (toMs - fromMs === hourMs) !== hourly.has(slot),
          );
          if (wrong.length > 0 && (await areEmpty(client, wrong))) {
            await client.query(`DROP TABLE ${wrong.flatMap(namesOf).join(', ')}`);
            return 'done';
          }
        }
      }
      return 'nothing';
    });
  }

  /** What lies in the default partitions, which is nothing as long as clocks are right and partitions are made in time. */
  async defaultPartitionRows(): Promise<number> {
    const counts = trees
      .flatMap(({ executions, journal }) => [executions, journal])
      .map(
        (table) => `(SELECT count(*) FROM (SELECT FROM nflow.${table}_default LIMIT ${defaultRowsCountMax}) counted)`,
      );
    const rows = await this.#pool.query<{ rows: number }>(`SELECT (${counts.join(' + ')})::int AS rows`);
    return rows[0]?.rows ?? 0;
  }

  /** Bytes on disk of executions and journals, with their indexes. */
  async historyBytes(): Promise<number> {
    return this.#pool.use(readHistoryBytes);
  }

  async #retire(client: pg.Client, span: Span, nowMs: number, reason: string): Promise<void> {
    const { executions, journal } = partitionsOf(span);
    // Nobody may write to it from here on; reading goes on.
    await client.query(
      `LOCK TABLE nflow.${executions} IN SHARE ROW EXCLUSIVE MODE; LOCK TABLE nflow.${journal} IN SHARE ROW EXCLUSIVE MODE`,
    );
    await client.query('SET LOCAL enable_seqscan = off');
    const { rowCount } = await client.query(
      `WITH stay AS (
         SELECT id FROM nflow.${executions} WHERE status < ${firstEnded}
         UNION SELECT h.execution_id FROM nflow.holds h
           WHERE h.execution_id >= $1 AND h.execution_id < $2 AND ${holdsSql('$3')})
       INSERT INTO nflow.executions${keptSuffix} SELECT e.* FROM nflow.${executions} e WHERE e.id IN (SELECT id FROM stay)`,
      [uuidAtTimeMs(span.fromMs), uuidAtTimeMs(span.toMs), nowMs],
    );
    await client.query(
      `INSERT INTO nflow.journal${keptSuffix} SELECT j.* FROM nflow.${journal} j
       WHERE j.execution_id IN (SELECT id FROM nflow.executions${keptSuffix} WHERE id >= $1 AND id < $2)`,
      [uuidAtTimeMs(span.fromMs), uuidAtTimeMs(span.toMs)],
    );
    reach('rows-kept');
    for (const [parent, name] of [
      [span.tree.journal, journal],
      [span.tree.executions, executions],
    ]) {
      await client.query(`ALTER TABLE nflow.${parent} DETACH PARTITION nflow.${name}`);
      await client.query(`ALTER TABLE nflow.${name} RENAME TO ${retiredPrefix}${name}`);
    }
    this.#log.info({ partition: executions, kept: rowCount ?? 0, reason }, 'a partition of the history is dropped');
  }

  /** One transaction under the advisory lock. `busy` when that lock or one of a table was not free. */
  #step(work: (client: pg.Client) => Promise<StepResult>): Promise<StepResult> {
    return this.#pool.use(async (client) => {
      await client.query('BEGIN');
      try {
        await client.query(`${lockTimeout}; ${stepTimeout}`);
        const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS taken', [
          advisoryLockKey,
        ]);
        const result = rows[0]?.taken === true ? await work(client) : 'busy';
        await client.query('COMMIT');
        if (result === 'retired') reach('partition-retired');
        return result;
      } catch (error) {
        await client.query('ROLLBACK');
        if (isDatabaseError(error) && busyStates.has(error.code)) return 'busy';
        throw error;
      }
    }, stepDeadlineMs);
  }
}

/** Lock not available, deadlock, and a table that was dropped in between. */
const busyStates = new Set(['55P03', '40P01', '42P01']);

/** Retention of each class that exists, by slot. */
async function readRetentions(client: pg.ClientBase): Promise<Map<number, number>> {
  const { rows } = await client.query<{ slot: number; retention_ms: string }>(
    'SELECT slot, retention_ms FROM nflow.history_classes',
  );
  return new Map(rows.map(({ slot, retention_ms }) => [slot, Number(retention_ms)]));
}

/** Retired partitions are on their way out: they must not drive out others. */
async function readHistoryBytes(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ bytes: string }>(
    `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) AS bytes FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'nflow' AND c.relkind = 'r' AND c.relname ~ '^(executions|journal)_'`,
  );
  return Number(rows[0]?.bytes ?? 0);
}

async function readSpanBytes(client: pg.ClientBase, spans: Span[]): Promise<number[]> {
  const { rows } = await client.query<{ bytes: string }>(
    `SELECT coalesce(pg_total_relation_size(to_regclass('nflow.' || executions)), 0)
       + coalesce(pg_total_relation_size(to_regclass('nflow.' || journal)), 0) AS bytes
     FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS s(executions, journal, place) ORDER BY place`,
    [spans.map((span) => partitionsOf(span).executions), spans.map((span) => partitionsOf(span).journal)],
  );
  return rows.map(({ bytes }) => Number(bytes));
}

async function moveLateRows(client: pg.ClientBase, tree: Tree, before: string): Promise<number> {
  const executions = await client.query(
    `WITH late AS (DELETE FROM nflow.${tree.executions}_default WHERE id < $1 RETURNING *)
     INSERT INTO nflow.executions${keptSuffix} SELECT * FROM late ON CONFLICT (id) DO NOTHING`,
    [before],
  );
  const journal = await client.query(
    `WITH late AS (DELETE FROM nflow.${tree.journal}_default WHERE execution_id < $1 RETURNING *)
     INSERT INTO nflow.journal${keptSuffix} AS kept SELECT * FROM late
     ON CONFLICT (execution_id, step_path, attempt, seq) DO UPDATE SET
       ok = EXCLUDED.ok, json = EXCLUDED.json,
       segment = EXCLUDED.segment, segment_time_ms = EXCLUDED.segment_time_ms, write_order = EXCLUDED.write_order
     WHERE kept.segment < 0`,
    [before],
  );
  return (executions.rowCount ?? 0) + (journal.rowCount ?? 0);
}

async function areEmpty(client: pg.ClientBase, spans: Span[]): Promise<boolean> {
  const checks = spans.flatMap(namesOf).map((name) => `EXISTS (SELECT FROM ${name})`);
  await client.query(`LOCK TABLE ${spans.flatMap(namesOf).join(', ')} IN ACCESS EXCLUSIVE MODE`);
  const { rows } = await client.query<{ filled: boolean }>(`SELECT ${checks.join(' OR ')} AS filled`);
  return rows[0]?.filled === false;
}

function namesOf(span: Span): string[] {
  const { executions, journal } = partitionsOf(span);
  return [`nflow.${executions}`, `nflow.${journal}`];
}

/** The time in a UUIDv7, ms since the epoch. */
function timeSql(id: string): string {
  return `('x' || left(replace(${id}::text, '-', ''), 12))::bit(48)::bigint`;
}

/** Whether the hold `h` is still on. */
function holdsSql(nowMs: string): string {
  return `(h.until_ms IS NULL OR h.until_ms > ${nowMs})`;
}

function reach(name: RetentionPoint): void {
  if (points.hasSubscribers) points.publish({ name });
}
