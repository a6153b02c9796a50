/**
 * One connection that sends commit batches, one at a time, and replaces itself.
 *
 *   connecting ──► free ──► busy ──► free …
 *       ▲                    │
 *       └── broken ◄─────────┘   no answer within the deadline, or the connection ended
 *
 * A connection that got no answer in time is destroyed; its backend may still be alive (stopped, or behind a broken network) and
 * may still commit what it had been sent. So the successor first ends that backend: from then on the outcome is settled, and a
 * repeat neither waits for its locks nor races with it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Dsn } from '../../config/dsn.ts';
import { bounded, connect, destroy } from '../connect.ts';
import type { StoreLog } from '../log.ts';
import { type BatchAnswer, BatchQuery } from './batch-query.ts';
import { MessageWriter } from './message-writer.ts';
import { planSettings, prepareStatements } from './statements.ts';

/** For the whole batch; the server gives up a second earlier, so that it usually says so itself. */
export const batchDeadlineMs = 5_000;
const statementTimeoutMs = 4_000;
const connectTimeoutMaxMs = 5_000;
const reconnectDelayMs = { first: 50, most: 1_000 } as const;
const terminationWaitMs = 2_000;

interface Backend {
  pid: number;
  /** Tells it from a later backend with the same pid. */
  startedAt: string;
}

export class CommitConnection {
  #writer = new MessageWriter();
  readonly #dsn: Dsn;
  readonly #purpose: string;
  readonly #log: StoreLog;
  readonly #onFree: (connection: CommitConnection) => void;
  #client: pg.Client | null = null;
  #backend: Backend | null = null;
  #busy = false;
  #closed = false;

  /** @param onFree called when it has connected, and when a batch was answered. */
  constructor(dsn: Dsn, purpose: string, log: StoreLog, onFree: (connection: CommitConnection) => void) {
    this.#dsn = { ...dsn, connectTimeoutMs: Math.min(dsn.connectTimeoutMs, connectTimeoutMaxMs) };
    this.#purpose = purpose;
    this.#log = log;
    this.#onFree = onFree;
    void this.#reconnect();
  }

  /** Where the next batch is written; ask again for every batch. */
  get writer(): MessageWriter {
    return this.#writer;
  }

  get isFree(): boolean {
    return this.#client !== null && !this.#busy && !this.#closed;
  }

  get isBusy(): boolean {
    return this.#busy;
  }

  /** Sends what `writer` holds. `onAnswer` is called once; after it `isFree` tells whether another batch may go. */
  send(onAnswer: (answer: BatchAnswer) => void): void {
    const client = this.#client;
    if (client === null || this.#busy) throw new Error('a commit connection sends one batch at a time');
    this.#busy = true;
    const deadline = setTimeout(() => {
      this.#replace(client, new Error(`no answer from PostgreSQL within ${batchDeadlineMs} ms`));
    }, batchDeadlineMs);
    const query = new BatchQuery(this.#writer.bytes(), (answer) => {
      clearTimeout(deadline);
      this.#busy = false;
      // An error is answered at once, while the rest of the batch may still be on its way out of this buffer.
      if (answer.kind !== 'committed') this.#writer = new MessageWriter();
      // The driver reports a broken connection to the query first: the connection is given up in any case.
      if (answer.kind === 'lost') this.#replace(client, answer.error);
      onAnswer(answer);
      if (this.isFree) this.#onFree(this);
    });
    client.query(query);
  }

  close(): void {
    this.#closed = true;
    const client = this.#client;
    this.#client = null;
    if (client === null) return;
    if (this.#busy) destroy(client);
    else client.end().catch(() => {});
  }

  /** Destroying the socket makes the driver fail the query under way, which answers `lost`. */
  #replace(client: pg.Client, reason: Error): void {
    if (this.#client !== client) return;
    this.#client = null;
    this.#log.warn({ connection: this.#purpose, reason: reason.message }, 'a commit connection is replaced');
    destroy(client);
    if (!this.#closed) void this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    let delayMs: number = reconnectDelayMs.first;
    while (!this.#closed) {
      let client: pg.Client | null = null;
      try {
        client = await connect(this.#dsn, this.#purpose, [
          `SET statement_timeout = ${statementTimeoutMs}`,
          ...planSettings,
          ...prepareStatements,
        ]);
        await bounded(client, connectTimeoutMaxMs, this.#endPredecessor(client));
        this.#backend = await bounded(client, connectTimeoutMaxMs, readBackend(client));
        this.#adopt(client);
        return;
      } catch (error) {
        if (client !== null) destroy(client);
        this.#log.debug({ connection: this.#purpose, reason: String(error) }, 'PostgreSQL is not reachable');
        await delay(delayMs, undefined, { ref: false });
        delayMs = Math.min(delayMs * 2, reconnectDelayMs.most);
      }
    }
  }

  #adopt(client: pg.Client): void {
    if (this.#closed) {
      client.end().catch(() => {});
      return;
    }
    this.#client = client;
    client.on('error', (error) => this.#replace(client, error));
    client.on('end', () => this.#replace(client, new Error('PostgreSQL ended the connection')));
    this.#onFree(this);
  }

  async #endPredecessor(client: pg.Client): Promise<void> {
    const backend = this.#backend;
    if (backend === null) return;
    await client.query(
      `SELECT pg_terminate_backend(pid, ${terminationWaitMs}) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2`,
      [backend.pid, backend.startedAt],
    );
  }
}

async function readBackend(client: pg.Client): Promise<Backend> {
  const { rows } = await client.query<{ pid: number; started_at: string }>(
    'SELECT pid, backend_start::text AS started_at FROM pg_stat_activity WHERE pid = pg_backend_pid()',
  );
  return { pid: rows[0]?.pid ?? 0, startedAt: rows[0]?.started_at ?? '' };
}
