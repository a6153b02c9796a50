/**
 * Taking over what dead incarnations left, in two steps that must not be one:
 *
 * 1. the incarnation's row is locked FOR UPDATE, which waits for every batch that it has under way, and is set to `dead`; after
 *    this commit no batch of it can succeed;
 * 2. only then, in later transactions, its executions are read with their journals and get a new owner, some at a time.
 *
 * A taker that dies in between leaves executions of an owner that is dead: step 2 finds them by that, whoever killed it.
 */
import type pg from 'pg';
import { durabilityOf, firstEnded, triggerOf } from './codes.ts';
import type { StalePeer } from './incarnation.ts';
import type { StoreLog } from './log.ts';
import type { ResumableExecution } from './port.ts';
import type { QueryPool } from './query-pool.ts';
import { type JournalRow, journalColumns, recordOf, textOf } from './rows.ts';

/** Executions that are re-owned and handed out at a time. */
const batchMax = 200;

interface OwnedRow {
  id: string;
  version_id: number;
  workflow: string;
  durability: number;
  trigger: number;
  input: Buffer;
  seed: string;
  started_at_ms: number;
  deadline_at_ms: number;
  takeovers: number;
}

export class Takeover {
  readonly #pool: QueryPool;
  readonly #incarnationId: string;
  readonly #log: StoreLog;
  /** Re-owned in a transaction whose COMMIT was not answered: they may be ours already, where no search for orphans finds them. */
  #unconfirmed: string[] = [];

  constructor(pool: QueryPool, incarnationId: string, log: StoreLog) {
    this.#pool = pool;
    this.#incarnationId = incarnationId;
    this.#log = log;
  }

  /** Sets them to `dead`; those whose count has moved on are left alone. */
  async bury(stale: StalePeer[], known: string[]): Promise<void> {
    for (const { id, beat } of stale) await this.#buryOne(id, beat);
    for (const id of known) await this.#buryOne(id, null);
  }

  /** Every live incarnation but ours: for a database that only this process uses. */
  async others(): Promise<string[]> {
    const rows = await this.#pool.query<{ id: string }>(
      "SELECT id FROM nflow.incarnations WHERE state = 'live' AND id <> $1",
      [this.#incarnationId],
    );
    return rows.map(({ id }) => id);
  }

  /** Hands out, in batches, every execution whose owner is not live. Returns how many. */
  async collect(onExecutions: (executions: ResumableExecution[]) => void): Promise<number> {
    let total = 0;
    if (this.#unconfirmed.length > 0) {
      const executions = await this.#pool.transaction((client) => this.#readUnconfirmed(client));
      this.#unconfirmed = [];
      total += executions.length;
      onExecutions(executions);
    }
    for (;;) {
      const executions = await this.#pool.transaction((client) => this.#takeBatch(client));
      this.#unconfirmed = [];
      if (executions.length === 0) return total;
      total += executions.length;
      onExecutions(executions);
      if (executions.length < batchMax) return total;
    }
  }

  async #buryOne(id: string, beat: string | null): Promise<void> {
    const buried = await this.#pool.transaction(async (client) => {
      const { rowCount } = await client.query(
        "SELECT 1 FROM nflow.incarnations WHERE id = $1 AND state = 'live' AND ($2::bigint IS NULL OR beat = $2) FOR UPDATE",
        [id, beat],
      );
      if (rowCount === 0) return false;
      await client.query(
        "UPDATE nflow.incarnations SET state = 'dead', ended_at = clock_timestamp(), taken_by = $2 WHERE id = $1",
        [id, this.#incarnationId],
      );
      return true;
    });
    if (buried) this.#log.warn({ incarnation: id }, 'an incarnation is dead: its executions are taken over');
  }

  async #takeBatch(client: pg.Client): Promise<ResumableExecution[]> {
    // We write for started executions: so we prove that we are live, like every batch.
    await client.query('SELECT nflow.assert_live($1)', [this.#incarnationId]);
    // A clean stop is no sign of a poisonous execution: it leaves the count as it was.
    const { rows } = await client.query<OwnedRow>(
      `WITH orphans AS (
         SELECT e.id, i.state FROM nflow.executions e JOIN nflow.incarnations i ON i.id = e.owner
         WHERE e.status < ${firstEnded} AND i.state <> 'live' ORDER BY e.id LIMIT ${batchMax} FOR UPDATE OF e SKIP LOCKED),
       progress AS (
         SELECT o.id, o.state, coalesce(max(j.write_order), 0) AS latest
         FROM orphans o LEFT JOIN nflow.journal j ON j.execution_id = o.id GROUP BY o.id, o.state)
       UPDATE nflow.executions e SET owner = $1, takeover_order = p.latest,
         takeovers = CASE WHEN p.latest > e.takeover_order THEN 0 ELSE e.takeovers END + CASE p.state WHEN 'dead' THEN 1 ELSE 0 END
       FROM progress p, nflow.workflow_versions v, nflow.workflows w
       WHERE e.id = p.id AND v.id = e.version_id AND w.id = v.workflow_id
       RETURNING e.id, e.version_id, w.name AS workflow, e.durability, e.trigger, e.input, e.seed, e.started_at_ms,
         e.deadline_at_ms, e.takeovers`,
      [this.#incarnationId],
    );
    this.#unconfirmed = rows.map(({ id }) => id);
    return await this.#withJournals(client, rows);
  }

  /** Those of the unanswered COMMIT that are ours after all. The row locks wait for it if it is still under way. */
  async #readUnconfirmed(client: pg.Client): Promise<ResumableExecution[]> {
    await client.query('SELECT nflow.assert_live($1)', [this.#incarnationId]);
    const { rows } = await client.query<OwnedRow>(
      `SELECT e.id, e.version_id, w.name AS workflow, e.durability, e.trigger, e.input, e.seed, e.started_at_ms,
         e.deadline_at_ms, e.takeovers
       FROM nflow.executions e
       JOIN nflow.workflow_versions v ON v.id = e.version_id JOIN nflow.workflows w ON w.id = v.workflow_id
       WHERE e.id = ANY($1) AND e.owner = $2 AND e.status < ${firstEnded} FOR UPDATE OF e`,
      [this.#unconfirmed, this.#incarnationId],
    );
    return await this.#withJournals(client, rows);
  }

  async #withJournals(client: pg.Client, rows: OwnedRow[]): Promise<ResumableExecution[]> {
    if (rows.length === 0) return [];
    const { rows: records } = await client.query<JournalRow>(
      `SELECT ${journalColumns} FROM nflow.journal WHERE execution_id = ANY($1) ORDER BY execution_id, write_order, step_path, attempt, seq`,
      [rows.map(({ id }) => id)],
    );
    const byExecution = Map.groupBy(records, (record) => record.execution_id);
    return rows
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((row) => ({
        id: row.id,
        versionId: row.version_id,
        workflow: row.workflow,
        durability: durabilityOf(row.durability),
        trigger: triggerOf(row.trigger),
        inputHead: textOf(row.input),
        inputBody: null,
        seed: row.seed,
        startedAtMs: row.started_at_ms,
        deadlineAtMs: row.deadline_at_ms,
        takeoversWithoutProgress: row.takeovers,
        journal: (byExecution.get(row.id) ?? []).map(recordOf),
      }));
  }
}
