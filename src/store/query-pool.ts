/**
 * A few connections for everything that is not a commit batch: publishing, the history, taking over, partitions. Opened when they
 * are needed; a query past its deadline costs its connection, because nobody knows what state it is in.
 */
import type pg from 'pg';
import type { Dsn } from '../config/dsn.ts';
import { NflowError } from '../errors.ts';
import { bounded, connect, destroy } from './connect.ts';
import { isDatabaseError, isTransientState } from './database-error.ts';

/** For one use of a connection; the server stops a statement earlier. */
export const queryDeadlineMs = 12_000;
const statementTimeoutMs = 10_000;
/** A stopped server does not take the goodbye. */
const goodbyeMs = 1_000;
/** Callers that wait for a connection; more are refused. */
const waitingMax = 1_000;

interface Waiting {
  resolve: (client: pg.Client) => void;
  reject: (error: Error) => void;
}

export class QueryPool {
  readonly #dsn: Dsn;
  readonly #size: number;
  readonly #free: pg.Client[] = [];
  readonly #waiting: Waiting[] = [];
  #open = 0;
  #closed = false;

  constructor(dsn: Dsn, size: number) {
    this.#dsn = dsn;
    this.#size = size;
  }

  get inUse(): number {
    return this.#open - this.#free.length;
  }

  get size(): number {
    return this.#size;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * @throws NflowError `store_unavailable` when PostgreSQL cannot be reached or does not answer in time; what PostgreSQL refuses
   *   is thrown as the driver's error.
   */
  async use<Result>(work: (client: pg.Client) => Promise<Result>, deadlineMs = queryDeadlineMs): Promise<Result> {
    const client = await this.#acquire();
    try {
      const result = await bounded(client, deadlineMs, work(client));
      this.#release(client);
      return result;
    } catch (error) {
      // A refused statement leaves a good connection; work may have left a transaction open, which a discarded one cannot.
      this.#discard(client);
      throw isRefusal(error) ? error : unavailable(error);
    }
  }

  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return this.use(async (client) => (await client.query<Row>(text, values)).rows);
  }

  /** Several statements in one transaction. */
  async transaction<Result>(
    work: (client: pg.Client) => Promise<Result>,
    deadlineMs = queryDeadlineMs,
  ): Promise<Result> {
    return this.use(async (client) => {
      await client.query('BEGIN');
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    }, deadlineMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(unavailable(new Error('the store was closed')));
    await Promise.all(this.#free.splice(0).map((client) => bounded(client, goodbyeMs, client.end()).catch(() => {})));
  }

  async #acquire(): Promise<pg.Client> {
    if (this.#closed) throw unavailable(new Error('the store was closed'));
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#open >= this.#size) {
      if (this.#waiting.length >= waitingMax) throw unavailable(new Error(`${waitingMax} queries are waiting already`));
      return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    }
    this.#open++;
    try {
      const client = await connect(this.#dsn, 'query', [
        `SET statement_timeout = ${statementTimeoutMs}`,
        // If this process is stopped in the middle of a transaction, the locks must not stay: they may be another's fence.
        `SET idle_in_transaction_session_timeout = ${statementTimeoutMs}`,
      ]);
      client.on('end', () => this.#forget(client));
      return client;
    } catch (error) {
      this.#open--;
      this.#passOn(unavailable(error));
      throw unavailable(error);
    }
  }

  #release(client: pg.Client): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next.resolve(client);
    else if (this.#closed) this.#discard(client);
    else this.#free.push(client);
  }

  #discard(client: pg.Client): void {
    this.#open--;
    destroy(client);
    // Somebody may wait for the place that is free now.
    const next = this.#waiting.shift();
    if (next !== undefined) this.#acquire().then(next.resolve, next.reject);
  }

  /** An idle connection that PostgreSQL ended. */
  #forget(client: pg.Client): void {
    const at = this.#free.indexOf(client);
    if (at === -1) return;
    this.#free.splice(at, 1);
    this.#open--;
  }

  /** Without any connection nobody would ever wake those who wait. */
  #passOn(error: Error): void {
    if (this.#open > 0) return;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}

/** What the caller has to see: what was refused, not that PostgreSQL was away. */
function isRefusal(error: unknown): boolean {
  return error instanceof NflowError || (isDatabaseError(error) && !isTransientState(error.code));
}

function unavailable(cause: unknown): NflowError {
  if (cause instanceof NflowError) return cause;
  return new NflowError('store_unavailable', 'PostgreSQL is not available', {
    got: cause instanceof Error ? cause.message : String(cause),
    remedy: 'repeat the request',
    cause,
  });
}
