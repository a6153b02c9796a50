/** Reading executions. Lists go by the primary key, newest first: the id's time is the creation. */
import { NflowError } from '../errors.ts';
import { firstEnded, statusCodes } from './codes.ts';
import type { ExecutionFilter, ExecutionSummary, History, StoredExecution } from './port.ts';
import type { QueryPool } from './query-pool.ts';
import {
  type JournalRow,
  journalColumns,
  recordOf,
  type SummaryRow,
  summaryColumns,
  summaryJoins,
  summaryOf,
  textOf,
} from './rows.ts';
import { isUuid, uuidFromBytes, uuidToBytes } from './uuid.ts';

const pageMax = 500;
/** An index on the last characters would cost every insert; instead the newest executions are read, about 0.3 s for all of them. */
const shortIdSearchMax = 1_000_000;
const shortId = /^[0-9a-f]{8}$/;
const cursorBytes = 16;

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

  constructor(pool: QueryPool) {
    this.#pool = pool;
  }

  async list(filter: ExecutionFilter): Promise<{ items: ExecutionSummary[]; nextCursor: string | null }> {
    const { limit } = filter;
    if (!Number.isInteger(limit) || limit < 1 || limit > pageMax) {
      throw new NflowError('invalid_input', 'The page size is out of range', {
        pointer: '/limit',
        got: String(limit),
        expected: `a whole number from 1 to ${pageMax}`,
      });
    }
    const values: unknown[] = [];
    const conditions: string[] = [];
    const where = (condition: (parameter: string) => string, value: unknown) => {
      values.push(value);
      conditions.push(condition(`$${values.length}`));
    };
    if (filter.cursor !== undefined) where((cursor) => `e.id < ${cursor}`, parseCursor(filter.cursor));
    if (filter.status !== undefined) where((status) => `e.status = ${status}`, statusCodes[filter.status]);
    if (filter.workflow !== undefined) {
      where(
        (name) =>
          `e.version_id = ANY(ARRAY(SELECT v.id FROM nflow.workflow_versions v JOIN nflow.workflows w ON w.id = v.workflow_id WHERE w.name = ${name}))`,
        filter.workflow,
      );
    }
    const rows = await this.#pool.query<SummaryRow>(
      `SELECT ${summaryColumns} FROM ${summaryJoins}
       ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`}
       ORDER BY e.id DESC LIMIT ${limit + 1}`,
      values,
    );
    const items = rows.slice(0, limit).map(summaryOf);
    const last = items.at(-1);
    return { items, nextCursor: rows.length > limit && last !== undefined ? makeCursor(last.id) : null };
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
    const matches = await this.#findByTail(wanted);
    if (matches.length > 1) {
      throw new NflowError('conflict', `Several executions end in ${wanted}`, {
        got: matches.join(', '),
        expected: 'the full id of one of them',
      });
    }
    return matches[0] === undefined ? null : this.#read(matches[0]);
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
            `SELECT ${journalColumns} FROM nflow.journal WHERE execution_id = $1 ORDER BY write_order, step_path, attempt, seq`,
            [id],
          );
    return {
      ...summaryOf(row),
      versionId: row.version_id,
      input: textOf(row.input),
      output: optionalText(row.output),
      error: optionalText(row.error),
      trace: optionalText(row.trace),
      effects: optionalText(row.effects),
      logs: optionalText(row.logs),
      journal: journal.map(recordOf),
    };
  }

  async #findByTail(tail: string): Promise<string[]> {
    const rows = await this.#pool.query<{ id: string }>(
      `SELECT id FROM (SELECT id FROM nflow.executions ORDER BY id DESC LIMIT ${shortIdSearchMax}) newest
       WHERE substring(uuid_send(id) FROM 13) = $1 LIMIT 10`,
      [Buffer.from(tail, 'hex')],
    );
    return rows.map(({ id }) => id);
  }
}

function makeCursor(id: string): string {
  return uuidToBytes(id).toString('base64url');
}

function parseCursor(cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url');
  // Node skips what is not base64url: only what comes out the same went in.
  if (bytes.length !== cursorBytes || bytes.toString('base64url') !== cursor) {
    throw new NflowError('invalid_input', 'The cursor is not one of ours', {
      pointer: '/cursor',
      got: cursor.slice(0, 80),
      expected: 'nextCursor of the page before',
    });
  }
  return uuidFromBytes(bytes);
}

function optionalText(bytes: Buffer | null): string | null {
  return bytes === null ? null : textOf(bytes);
}
