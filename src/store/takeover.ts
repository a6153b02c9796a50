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
import { unpackText } from './payload.ts';
import type { ResumableExecution } from './port.ts';
import type { QueryPool } from './query-pool.ts';
import { type JournalRow, journalColumns, journalOf } from './rows.ts';
import { allSuffixes, keptSuffix, trees } from './trees.ts';

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

interface Owned {
  row: OwnedRow;
  journal: JournalRow[];
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
    const handOut = async (owned: Owned[]): Promise<void> => {
      this.#unconfirmed = [];
      const executions = await this.#read(owned);
      total += executions.length;
      if (executions.length > 0) onExecutions(executions);
    };
    if (this.#unconfirmed.length > 0)
      await handOut(await this.#pool.transaction((client) => this.#readUnconfirmed(client)));
    for (const suffix of await this.#suffixes()) {
      while (await this.#hasOrphans(suffix)) {
        const owned = await this.#pool.transaction((client) => this.#takeBatch(client, suffix));
        await handOut(owned);
        if (owned.length < batchMax) break;
      }
    }
    return total;
  }

  /** Of the tables that may hold something: those of classes that nobody configured are empty. */
  async #suffixes(): Promise<string[]> {
    const rows = await this.#pool.query<{ slot: number }>('SELECT slot FROM nflow.history_classes');
    const slots = new Set(rows.map(({ slot }) => slot));
    return [...trees.filter(({ slot }) => slots.has(slot)).map(({ suffix }) => suffix), keptSuffix];
  }

  /** Mostly there is none, and that is one question. */
  async #hasOrphans(suffix: string): Promise<boolean> {
    const rows = await this.#pool.query(
      `SELECT 1 FROM nflow.executions${suffix} e JOIN nflow.incarnations i ON i.id = e.owner
       WHERE e.status < ${firstEnded} AND i.state <> 'live' LIMIT 1`,
    );
    return rows.length > 0;
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

  /** `suffix`: of the tables in which they are looked for. */
  async #takeBatch(client: pg.Client, suffix: string): Promise<Owned[]> {
    // We write for started executions: so we prove that we are live, like every batch.
    await client.query('SELECT nflow.assert_live($1)', [this.#incarnationId]);
    // A clean stop is no sign of a poisonous execution: it leaves the count as it was.
    const { rows } = await client.query<OwnedRow>(
      `WITH orphans AS (
         SELECT e.id, i.state FROM nflow.executions${suffix} e JOIN nflow.incarnations i ON i.id = e.owner
         WHERE e.status < ${firstEnded} AND i.state <> 'live' ORDER BY e.id LIMIT ${batchMax} FOR UPDATE OF e SKIP LOCKED),
       progress AS (
         SELECT o.id, o.state,
           coalesce((SELECT max(j.write_order) FROM nflow.all_journal j WHERE j.execution_id = o.id), 0) AS latest
         FROM orphans o)
       UPDATE nflow.executions${suffix} e SET owner = $1, takeover_order = p.latest,
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
  async #readUnconfirmed(client: pg.Client): Promise<Owned[]> {
    await client.query('SELECT nflow.assert_live($1)', [this.#incarnationId]);
    const owned: Owned[] = [];
    for (const suffix of allSuffixes) {
      const { rows } = await client.query<OwnedRow>(
        `SELECT e.id, e.version_id, w.name AS workflow, e.durability, e.trigger, e.input, e.seed, e.started_at_ms,
           e.deadline_at_ms, e.takeovers
         FROM nflow.executions${suffix} e
         JOIN nflow.workflow_versions v ON v.id = e.version_id JOIN nflow.workflows w ON w.id = v.workflow_id
         WHERE e.id = ANY($1) AND e.owner = $2 AND e.status < ${firstEnded} FOR UPDATE OF e`,
        [this.#unconfirmed, this.#incarnationId],
      );
      owned.push(...(await this.#withJournals(client, rows)));
    }
    return owned;
  }

  async #withJournals(client: pg.Client, rows: OwnedRow[]): Promise<Owned[]> {
    if (rows.length === 0) return [];
    const { rows: records } = await client.query<JournalRow>(
      `SELECT ${journalColumns} FROM nflow.all_journal WHERE execution_id = ANY($1)
       ORDER BY execution_id, write_order, step_path, attempt, seq`,
      [rows.map(({ id }) => id)],
    );
    const byExecution = Map.groupBy(records, (record) => record.execution_id);
    return rows.sort((a, b) => (a.id < b.id ? -1 : 1)).map((row) => ({ row, journal: byExecution.get(row.id) ?? [] }));
  }

  /** Unpacks them, after the commit: it may take a while. One whose bytes are damaged must not keep the others from going on. */
  async #read(owned: Owned[]): Promise<ResumableExecution[]> {
    const results = await Promise.allSettled(owned.map(readOne));
    return results.flatMap((result, index) => {
      if (result.status === 'fulfilled') return [result.value];
      this.#log.error(
        { execution: owned[index]?.row.id, reason: String(result.reason) },
        'an execution cannot be resumed: what is stored of it cannot be read',
      );
      return [];
    });
  }
}

async function readOne({ row, journal }: Owned): Promise<ResumableExecution> {
  return {
    id: row.id,
    versionId: row.version_id,
    workflow: row.workflow,
    durability: durabilityOf(row.durability),
    trigger: triggerOf(row.trigger),
    inputHead: await unpackText(row.input),
    inputBody: null,
    seed: row.seed,
    startedAtMs: row.started_at_ms,
    deadlineAtMs: row.deadline_at_ms,
    takeoversWithoutProgress: row.takeovers,
    journal: await journalOf(journal),
  };
}
