import type pg from 'pg';
import type { DatasourceConfig } from '../../config/config.ts';
import { parseDsn } from '../../config/dsn.ts';
import { connect, destroy } from '../../store/connect.ts';
import { EffectFailure } from '../effect-failure.ts';
import { cancelStatement } from './cancel.ts';
import { connectionFailure } from './failure.ts';

/** State of a pool, asked for at a scrape. */
export interface DatasourceStats {
  datasource: string;
  size: number;
  inUse: number;
  waiting: number;
  exhaustedTotal: number;
}

/** Calls that wait for a connection; more are refused at once. */
const waitingMax = 10_000;
const idleMs = 5 * 60 * 1000;
/** A gateway that stops in the middle of a transaction must not keep its locks. */
const idleInTransactionMs = 60_000;
/** A statement that does not end although it was cancelled costs its connection. */
const cancelPatienceMs = 5_000;

interface Idle {
  client: pg.Client;
  sinceMs: number;
}

interface Waiting {
  resolve: (client: pg.Client) => void;
  reject: (error: EffectFailure) => void;
}

/**
 * Connections of one datasource. They are opened when they are needed; the one that was used last is used next, so that those that are
 * not needed become idle and are closed. A connection is given to one call at a time, and is thrown away when nobody knows what state
 * it is in.
 */
export class DatasourcePool {
  readonly #name: string;
  readonly #config: DatasourceConfig;
  readonly #idle: Idle[] = [];
  readonly #inUse = new Set<pg.Client>();
  readonly #waiting = new Set<Waiting>();
  readonly #sweep: NodeJS.Timeout;
  /** Idle ones, those in use, and those that are being opened. */
  #size = 0;
  #exhaustedTotal = 0;
  #isClosed = false;

  constructor(name: string, config: DatasourceConfig) {
    this.#name = name;
    this.#config = config;
    this.#sweep = setInterval(() => this.#closeIdle(), idleMs / 5);
    this.#sweep.unref();
  }

  get stats(): DatasourceStats {
    return {
      datasource: this.#name,
      size: this.#size,
      inUse: this.#size - this.#idle.length,
      waiting: this.#waiting.size,
      exhaustedTotal: this.#exhaustedTotal,
    };
  }

  /**
   * Lends a connection to `work`. When the signal is aborted the statement under way is cancelled in the database, which makes `work`
   * fail. After a failure of `work` the connection is not used again, unless `work` says by its result that it is clean.
   * @throws EffectFailure `pool_exhausted`, `aborted`, or why there is no connection; what `work` throws.
   */
  async use<Result>(
    signal: AbortSignal,
    work: (client: pg.Client) => Promise<{ result: Result; isClean: boolean }>,
  ): Promise<Result> {
    const client = await this.#acquire(signal);
    let isClean = false;
    const onAbort = (): void => this.#cancel(client);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal.aborted) throw aborted();
      const done = await work(client);
      // A request to cancel may still be on its way: it would hit the next statement.
      isClean = done.isClean && !signal.aborted;
      return done.result;
    } finally {
      signal.removeEventListener('abort', onAbort);
      if (isClean) this.#release(client);
      else this.#discard(client);
    }
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#sweep);
    for (const waiting of this.#waiting) waiting.reject(aborted());
    for (const { client } of this.#idle.splice(0)) this.#discard(client);
    for (const client of this.#inUse) destroy(client);
  }

  async #acquire(signal: AbortSignal): Promise<pg.Client> {
    if (signal.aborted || this.#isClosed) throw aborted();
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      this.#inUse.add(idle.client);
      return idle.client;
    }
    if (this.#size >= this.#config.poolMaxConns) return this.#wait(signal);
    try {
      return await this.#open();
    } catch (error) {
      this.#openForWaiting();
      throw error;
    }
  }

  async #open(): Promise<pg.Client> {
    this.#size++;
    let client: pg.Client;
    try {
      client = await connect(parseDsn(this.#config.dsn), `datasource ${this.#name}`, [
        // What values look like must not depend on the role: JSON is made of their texts.
        "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET bytea_output = 'hex'",
        "SET extra_float_digits = 1; SET client_encoding = 'UTF8'",
        `SET statement_timeout = ${this.#config.statementTimeoutMs}`,
        `SET idle_in_transaction_session_timeout = ${idleInTransactionMs}`,
      ]);
    } catch (error) {
      this.#size--;
      throw connectionFailure(error, 'before');
    }
    client.on('end', () => this.#forget(client));
    this.#inUse.add(client);
    if (!this.#isClosed) return client;
    this.#discard(client);
    throw aborted();
  }

  #wait(signal: AbortSignal): Promise<pg.Client> {
    const { acquireTimeoutMs, poolMaxConns } = this.#config;
    const exhausted = (): EffectFailure => {
      this.#exhaustedTotal++;
      const message = `all ${poolMaxConns} connections ("pool_max_conns" of the datasource) were in use for ${acquireTimeoutMs} ms`;
      return new EffectFailure('pool_exhausted', message, { retryable: true });
    };
    if (this.#waiting.size >= waitingMax) throw exhausted();
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#waiting.delete(waiting);
        settle();
      };
      const waiting: Waiting = {
        resolve: (client) => finish(() => resolve(client)),
        reject: (error) => finish(() => reject(error)),
      };
      const onAbort = (): void => waiting.reject(aborted());
      const timer = setTimeout(() => waiting.reject(exhausted()), acquireTimeoutMs);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiting);
    });
  }

  #release(client: pg.Client): void {
    // It ended meanwhile, and was forgotten.
    if (!this.#inUse.has(client)) return;
    if (this.#isClosed) {
      this.#discard(client);
      return;
    }
    const [next] = this.#waiting;
    if (next !== undefined) {
      next.resolve(client);
      return;
    }
    this.#inUse.delete(client);
    this.#idle.push({ client, sinceMs: performance.now() });
  }

  #discard(client: pg.Client): void {
    this.#forget(client);
    destroy(client);
  }

  /** Somebody may wait for the place that is free now. */
  #forget(client: pg.Client): void {
    const at = this.#idle.findIndex((idle) => idle.client === client);
    if (at !== -1) this.#idle.splice(at, 1);
    else if (!this.#inUse.delete(client)) return;
    this.#size--;
    this.#openForWaiting();
  }

  /** Each that cannot be opened fails one that waits: nobody else would wake it. */
  #openForWaiting(): void {
    if (this.#waiting.size === 0 || this.#isClosed || this.#size >= this.#config.poolMaxConns) return;
    this.#open().then(
      (client) => this.#release(client),
      (error) => {
        const [next] = this.#waiting;
        next?.reject(error);
        this.#openForWaiting();
      },
    );
  }

  #cancel(client: pg.Client): void {
    const timer = setTimeout(() => destroy(client), cancelPatienceMs);
    timer.unref();
    client.once('end', () => clearTimeout(timer));
    void cancelStatement(client);
  }

  #closeIdle(): void {
    const beforeMs = performance.now() - idleMs;
    for (const { client, sinceMs } of [...this.#idle]) if (sinceMs < beforeMs) this.#discard(client);
  }
}

export function aborted(): EffectFailure {
  return new EffectFailure('aborted', 'the execution ended before the database answered');
}
