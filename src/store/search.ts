/**
 * Searching executions, newest first, over partitions of every class and the kept rows.
 *
 * An id's time is its creation, so a range of ids is a range of time, and PostgreSQL reads the partitions of the range only. There is no
 * index by workflow: each execution would pay for it. Instead a page reads executions in *chunks* of ids, within one day each, and
 * looks through them; it ends when it is full or when it has looked through enough. What did not succeed, and what is not over, have
 * partial indexes, which cost nothing for the rest: a search for them reads these alone.
 *
 *   … ──────────── day ────────────┬──────────── day ──────────── now
 *                    ◄── chunk ──►◄┤── chunk ──►◄── chunk ──►
 *                              next cursor ▲
 */
import { NflowError } from '../errors.ts';
import { firstEnded, statusCodes } from './codes.ts';
import { dayMs } from './partitions.ts';
import type { ExecutionFilter, ExecutionPage, ExecutionStatus } from './port.ts';
import type { QueryPool } from './query-pool.ts';
import { type SummaryRow, summaryColumns, summaryJoins, summaryOf } from './rows.ts';
import { isUuid, uuidAtTimeMs, uuidFromBytes, uuidTimeMs, uuidToBytes } from './uuid.ts';

const pageMax = 500;
const textLengthMax = 200;
const cursorBytes = 16;
/**
 * Executions read at a time at most: some tens of milliseconds. The first chunk is as large as the page, since mostly everything matches;
 * each of the next is so many times larger.
 */
const chunkRows = 20_000;
const chunkGrowth = 8;
/** What a chunk counts that ended with its day. */
const quietDayRows = 1_000;
/** Executions that one page looks through: a second at most, on two cores. */
const pageRows = 200_000;
/** A workflow's versions, of all whose name has the text. */
const namedVersionsMax = 10_000;
const shortId = /^[0-9a-f]{8}$/;
const firstUuid = '00000000-0000-0000-0000-000000000000';
const lastUuid = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

const succeeded = statusCodes.succeeded;

/** Which index is read. Its condition stands in the query as it stands in the index, or PostgreSQL would not see that it fits. */
const scopes = {
  all: 'true',
  unsuccessful: `e.status > ${succeeded}`,
  living: `e.status < ${firstEnded}`,
} as const;
type Scope = keyof typeof scopes;

/** What is looked for: a scope, which an index serves, and conditions on what it gives. */
interface Plan {
  scope: Scope;
  /** SQL with `$1`, `$2` …; joined by AND. */
  conditions: string[];
  values: unknown[];
  /** Inclusive and exclusive. */
  from: string;
  before: string;
}

interface Chunk {
  from: string;
  isFull: boolean;
}

export class ExecutionSearch {
  readonly #pool: Pick<QueryPool, 'query'>;
  readonly #pageRows: number;
  readonly #chunkRows: number;

  /** @param limits rows of a chunk and of a page; smaller in tests. */
  constructor(
    pool: Pick<QueryPool, 'query'>,
    limits: { chunkRows: number; pageRows: number } = { chunkRows, pageRows },
  ) {
    this.#pool = pool;
    this.#chunkRows = limits.chunkRows;
    this.#pageRows = limits.pageRows;
  }

  async page(filter: ExecutionFilter): Promise<ExecutionPage> {
    const plan = await this.#plan(filter);
    if (plan === null) return { items: [], nextCursor: null };
    const rows: SummaryRow[] = [];
    let lookedThrough = 0;
    let chunkSize = Math.min(filter.limit + 1, this.#chunkRows);
    let before = plan.before;
    while (rows.length <= filter.limit) {
      if (lookedThrough >= this.#pageRows && before !== plan.before) {
        return { items: rows.slice(0, filter.limit).map(summaryOf), nextCursor: makeCursor(before) };
      }
      const chunk = await this.#nextChunk(plan, before, chunkSize);
      if (chunk === null) break;
      rows.push(...(await this.#readChunk(plan, chunk.from, before, filter.limit + 1 - rows.length)));
      before = chunk.from;
      lookedThrough += chunk.isFull ? chunkSize : Math.min(chunkSize, quietDayRows);
      chunkSize = Math.min(chunkSize * chunkGrowth, this.#chunkRows);
    }
    const items = rows.slice(0, filter.limit).map(summaryOf);
    const last = items.at(-1);
    return { items, nextCursor: rows.length > filter.limit && last !== undefined ? makeCursor(last.id) : null };
  }

  /** Executions whose id ends so, among the newest million; at most ten. */
  async findByTail(tail: string): Promise<string[]> {
    const rows = await this.#pool.query<{ id: string }>(
      `SELECT id FROM (SELECT id FROM nflow.all_executions ORDER BY id DESC LIMIT ${shortIdSearchMax}) newest
       WHERE substring(uuid_send(id) FROM 13) = $1 LIMIT 10`,
      [Buffer.from(tail, 'hex')],
    );
    return rows.map(({ id }) => id);
  }

  /** The smallest id of the next chunk below `before`, and whether the chunk is as large as it may be; null when there is no more. */
  async #nextChunk({ scope, from }: Plan, before: string, chunkSize: number): Promise<Chunk | null> {
    const condition = scopes[scope];
    const newest = await this.#pool.query<{ id: string }>(
      `SELECT e.id FROM nflow.all_executions e WHERE e.id >= $1 AND e.id < $2 AND ${condition} ORDER BY e.id DESC LIMIT 1`,
      [from, before],
    );
    const id = newest[0]?.id;
    if (id === undefined) return null;
    const dayStart = uuidAtTimeMs(Math.floor(uuidTimeMs(id) / dayMs) * dayMs);
    const least = dayStart > from ? dayStart : from;
    const rows = await this.#pool.query<{ id: string }>(
      `SELECT e.id FROM nflow.all_executions e WHERE e.id >= $1 AND e.id < $2 AND ${condition}
       ORDER BY e.id DESC OFFSET ${chunkSize - 1} LIMIT 1`,
      [least, before],
    );
    return { from: rows[0]?.id ?? least, isFull: rows[0] !== undefined };
  }

  async #readChunk(plan: Plan, from: string, before: string, limit: number): Promise<SummaryRow[]> {
    const { scope, conditions, values } = plan;
    const place = values.length;
    const where = [`e.id >= $${place + 1}`, `e.id < $${place + 2}`, scopes[scope], ...conditions];
    return this.#pool.query<SummaryRow>(
      `SELECT ${summaryColumns} FROM ${summaryJoins} WHERE ${where.join(' AND ')} ORDER BY e.id DESC LIMIT ${limit}`,
      [...values, from, before],
    );
  }

  /** Null when nothing can match. */
  async #plan(filter: ExecutionFilter): Promise<Plan | null> {
    assertPage(filter.limit);
    const plan: Plan = { scope: 'all', conditions: [], values: [], ...rangeOf(filter) };
    if (plan.from >= plan.before) return null;
    if (filter.status !== undefined) addStatus(plan, filter.status);
    if (filter.workflow !== undefined) {
      const versions = await this.#versionsNamed('w.name = $1', filter.workflow);
      if (versions.length === 0) return null;
      plan.conditions.push(`e.version_id = ANY($${plan.values.push(versions)})`);
    }
    if (filter.text !== undefined && !(await this.#addText(plan, filter.text))) return null;
    return plan;
  }

  /** False when nothing can match. */
  async #addText(plan: Plan, text: string): Promise<boolean> {
    if (text.length === 0 || text.length > textLengthMax) {
      throw new NflowError('invalid_input', 'The text to search for has a wrong length', {
        pointer: '/text',
        got: `${text.length} characters`,
        expected: `1 to ${textLengthMax} characters`,
      });
    }
    const lower = text.trim().toLowerCase();
    if (isUuid(lower)) {
      plan.conditions.push(`e.id = $${plan.values.push(lower)}`);
      // One id is one place: there is nothing to go through.
      plan.from = greater(lower, plan.from);
      plan.before = lesser(after(lower), plan.before);
      return plan.from < plan.before;
    }
    const alternatives: string[] = [];
    const versions = await this.#versionsNamed('strpos(lower(w.name), lower($1)) > 0', text);
    if (versions.length > 0) alternatives.push(`e.version_id = ANY($${plan.values.push(versions)})`);
    if (shortId.test(lower)) {
      alternatives.push(`substring(uuid_send(e.id) FROM 13) = $${plan.values.push(Buffer.from(lower, 'hex'))}`);
    }
    const isInError = `strpos(lower(encode(e.error, 'escape')), lower(encode($${plan.values.push(Buffer.from(text))}::bytea, 'escape'))) > 0`;
    // Succeeded ones have no error.
    if (plan.scope === 'all' && alternatives.length === 0) plan.scope = 'unsuccessful';
    if (plan.scope === 'living' && alternatives.length === 0) return false;
    plan.conditions.push(`(${[`(${scopes.unsuccessful} AND ${isInError})`, ...alternatives].join(' OR ')})`);
    return true;
  }

  async #versionsNamed(condition: string, value: string): Promise<number[]> {
    const rows = await this.#pool.query<{ id: number }>(
      `SELECT v.id FROM nflow.workflow_versions v JOIN nflow.workflows w ON w.id = v.workflow_id WHERE ${condition}
       ORDER BY v.id DESC LIMIT ${namedVersionsMax}`,
      [value],
    );
    return rows.map(({ id }) => id);
  }
}

/** A short id has no index: that would cost every insert. Reading so many ids takes about 0.3 s. */
const shortIdSearchMax = 1_000_000;

function addStatus(plan: Plan, status: ExecutionStatus | readonly ExecutionStatus[]): void {
  const codes = (typeof status === 'string' ? [status] : status).map((word) => statusCodes[word]);
  if (codes.every((code) => code > succeeded)) plan.scope = 'unsuccessful';
  else if (codes.every((code) => code < firstEnded)) plan.scope = 'living';
  plan.conditions.push(`e.status = ANY($${plan.values.push(codes)})`);
}

function rangeOf({ cursor, createdFromMs, createdBeforeMs }: ExecutionFilter): { from: string; before: string } {
  const from = createdFromMs === undefined ? firstUuid : boundAt(createdFromMs, '/createdFromMs');
  const end = createdBeforeMs === undefined ? lastUuid : boundAt(createdBeforeMs, '/createdBeforeMs');
  const place = cursor === undefined ? lastUuid : parseCursor(cursor);
  return { from, before: lesser(place, end) };
}

function boundAt(timeMs: number, pointer: string): string {
  if (!Number.isFinite(timeMs) || timeMs < 0 || timeMs >= 2 ** 48) {
    throw new NflowError('invalid_input', 'The time is out of range', {
      pointer,
      got: String(timeMs),
      expected: 'ms since 1970, below 2^48',
    });
  }
  return uuidAtTimeMs(Math.ceil(timeMs));
}

function assertPage(limit: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= pageMax) return;
  throw new NflowError('invalid_input', 'The page size is out of range', {
    pointer: '/limit',
    got: String(limit),
    expected: `a whole number from 1 to ${pageMax}`,
  });
}

/** Of two UUIDs. */
function lesser(a: string, b: string): string {
  if (a < b) return a;
  return b;
}

function greater(a: string, b: string): string {
  if (a < b) return b;
  return a;
}

/** The next greater UUID. */
function after(uuid: string): string {
  const next = (BigInt(`0x${uuid.replaceAll('-', '')}`) + 1n).toString(16).padStart(32, '0');
  return uuidFromBytes(Buffer.from(next, 'hex'));
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
