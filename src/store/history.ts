/** Reading executions, and saying which of them must stay. */
import { NflowError } from '../errors.ts';
import { firstEnded } from './codes.ts';
import { advisoryLockKey } from './partitions.ts';
import { payloadBytes, unpackOptionalText, unpackText } from './payload.ts';
import type { ExecutionFilter, ExecutionPage, History, StoredExecution } from './port.ts';
import type { QueryPool } from './query-pool.ts';
import {
  type JournalRow,
  journalColumns,
  journalOf,
  type SummaryRow,
  summaryColumns,
  summaryJoins,
  summaryOf,
} from './rows.ts';
import { ExecutionSearch } from './search.ts';
import { isUuid } from './uuid.ts';

const shortId = /^[0-9a-f]{8}$/;

interface StoredRow extends SummaryRow {
  input: Buffer;
  output: Buffer | null;
  error: Buffer | null;
  trace: Buffer | null;
  effects: Buffer | null;
  logs: Buffer | null;
}

export class PostgresHistory implements History {
  readonly #pool: QueryPool;
  readonly #search: ExecutionSearch;

  constructor(pool: QueryPool) {
    this.#pool = pool;
    this.#search = new ExecutionSearch(pool);
  }

  list(filter: ExecutionFilter): Promise<ExecutionPage> {
    return this.#search.page(filter);
  }

  async get(id: string): Promise<StoredExecution | null> {
    const wanted = id.toLowerCase();
    if (isUuid(wanted)) return this.#read(wanted);
    if (!shortId.test(wanted)) {
      throw new NflowError('invalid_input', 'This is no execution id', {
        got: id.slice(0, 80),
        expected: 'a UUID, or its last 8 characters',
      });
    }
    const matches = await this.#search.findByTail(wanted);
    if (matches.length > 1) {
      throw new NflowError('conflict', `Several executions end in ${wanted}`, {
        got: matches.join(', '),
        expected: 'the full id of one of them',
      });
    }
    return matches[0] === undefined ? null : this.#read(matches[0]);
  }

  async hold(id: string, untilMs: number | null): Promise<boolean> {
    assertFullId(id);
    return this.#pool.transaction(async (client) => {
      // A partition that is being dropped has read the holds already: it is waited for.
      await client.query('SELECT pg_advisory_xact_lock_shared($1)', [advisoryLockKey]);
      const { rowCount } = await client.query(
        `INSERT INTO nflow.holds (execution_id, until_ms) SELECT e.id, $2 FROM nflow.all_executions e WHERE e.id = $1
         ON CONFLICT (execution_id) DO UPDATE SET until_ms = EXCLUDED.until_ms`,
        [id.toLowerCase(), untilMs],
      );
      return rowCount === 1;
    });
  }

  async release(id: string): Promise<boolean> {
    assertFullId(id);
    const rows = await this.#pool.query('DELETE FROM nflow.holds WHERE execution_id = $1 RETURNING 1', [
      id.toLowerCase(),
    ]);
    return rows.length === 1;
  }

  async #read(id: string): Promise<StoredExecution | null> {
    const rows = await this.#pool.query<StoredRow>(
      `SELECT ${summaryColumns}, e.input, e.output, e.error, e.trace, e.effects, e.logs FROM ${summaryJoins} WHERE e.id = $1`,
      [id],
    );
    const row = rows[0];
    if (row === undefined) return null;
    const journal =
      row.status >= firstEnded
        ? []
        : await this.#pool.query<JournalRow>(
            `SELECT ${journalColumns} FROM nflow.all_journal WHERE execution_id = $1 ORDER BY write_order, step_path, attempt, seq`,
            [id],
          );
    const payloads = [row.input, row.output, row.error, row.trace, row.effects, row.logs];
    return {
      ...summaryOf(row),
      versionId: row.version_id,
      input: await unpackText(row.input),
      output: await unpackOptionalText(row.output),
      error: await unpackOptionalText(row.error),
      trace: await unpackOptionalText(row.trace),
      effects: await unpackOptionalText(row.effects),
      logs: await unpackOptionalText(row.logs),
      journal: await journalOf(journal),
      payloadBytes: payloads.reduce((sum, payload) => sum + payloadBytes(payload), 0),
      storedBytes: payloads.reduce((sum, payload) => sum + (payload?.length ?? 0), 0),
    };
  }
}

function assertFullId(id: string): void {
  if (isUuid(id.toLowerCase())) return;
  throw new NflowError('invalid_input', 'This is no whole execution id', { got: id.slice(0, 80), expected: 'a UUID' });
}
