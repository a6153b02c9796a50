/** The store on PostgreSQL: connects, checks the server, brings the schema up to date, and puts the parts together. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Dsn, describeDsn, parseDsn } from '../config/dsn.ts';
import { NflowError } from '../errors.ts';
import { type ClassSettings, defaultClassSettings, placeClasses } from './classes.ts';
import { GroupCommitLedger } from './commit/ledger.ts';
import { connect } from './connect.ts';
import { isDatabaseError, isTransientState } from './database-error.ts';
import { PostgresHistory } from './history.ts';
import { type BeatTiming, defaultBeatTiming, Heart } from './incarnation.ts';
import { readIncarnations } from './incarnation-list.ts';
import type { StoreLog } from './log.ts';
import { Maintenance } from './maintenance.ts';
import { migrate } from './migrate.ts';
import type { Incarnation, Store, StoredIncarnation, StoreStats } from './port.ts';
import { QueryPool } from './query-pool.ts';
import { Retention } from './retention.ts';
import { PostgresSecretStore } from './secrets.ts';
import { checkServer } from './server-check.ts';
import { Takeover } from './takeover.ts';
import { PostgresWorkflowStore } from './workflows.ts';

export interface StoreOptions {
  /** URL or `key=value` connection string. */
  dsn: string;
  /** Shown with this incarnation, for people. */
  serverName: string;
  /** Only this process uses the database: every other incarnation is dead, without waiting for its lease. */
  exclusive: boolean;
  /** Accepts a server with `fsync = off`. */
  unsafe: boolean;
  log: StoreLog;
  /** How long PostgreSQL may take to be reachable at the start; default 30 s. */
  connectPatienceMs?: number;
  /** Shorter in tests. */
  beatTiming?: BeatTiming;
  /** How long executions are kept, and how many bytes of them (null: no limit). Default: 14 days, no classes, no limit. */
  history?: ClassSettings & { bytesMax: number | null };
}

const defaultConnectPatienceMs = 30_000;
const connectRetryMs = 200;

/**
 * How the connections of a gateway are shared out. One connection commits the small rows: a second one halves the batches, and with
 * PostgreSQL on the same two cores that cost a fifth of the durable requests (measured at 128 clients).
 */
const defaultConnections = { beat: 1, commit: 1, large: 1, query: 4 } as const;

/**
 * @throws NflowError `invalid_config` for a connection string, server or schema that cannot be used, `store_unavailable` when
 *   PostgreSQL was not reachable in time.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const dsn = parseDsn(options.dsn);
  const classes = await prepareDatabase(dsn, options);
  const store = new PostgresStore(dsn, options, classes);
  await store.start();
  return store;
}

class PostgresStore implements Store {
  readonly ledger: GroupCommitLedger;
  readonly incarnation: Incarnation;
  readonly workflows: PostgresWorkflowStore;
  readonly secrets: PostgresSecretStore;
  readonly history: PostgresHistory;
  readonly #heart: Heart;
  readonly #pool: QueryPool;
  readonly #maintenance: Maintenance;
  readonly #classes: ReadonlyMap<string, number>;

  constructor(dsn: Dsn, options: StoreOptions, classes: ReadonlyMap<string, number>) {
    const { log } = options;
    const id = randomUUID();
    const connections = shareConnections(dsn.poolMaxConns);
    const nowMs = () => Date.now() + this.#heart.clockOffsetMs;
    const fence = new Fence();
    this.#pool = new QueryPool(dsn, connections.query);
    this.workflows = new PostgresWorkflowStore(this.#pool, log);
    this.secrets = new PostgresSecretStore(this.#pool);
    this.#heart = new Heart(
      dsn,
      id,
      options.serverName,
      options.beatTiming ?? defaultBeatTiming,
      log,
      () => this.ledger.fence(),
      (revision) => this.workflows.sawRevision(revision),
    );
    this.ledger = new GroupCommitLedger({
      dsn,
      log,
      incarnationId: id,
      connections: connections.commit,
      nowMs,
      onFenced: () => {
        log.error({ incarnation: id }, 'this incarnation is not live any more: another server took over');
        fence.drop();
      },
    });
    const takeover = new Takeover(this.#pool, id, log);
    const heart = this.#heart;
    this.incarnation = {
      id,
      onFenced: (callback) => fence.onDrop(callback),
      get mayAct() {
        return heart.mayAct && !fence.dropped;
      },
      takeOver: async (dead, onExecutions) => {
        const known = options.exclusive ? await takeover.others() : dead.filter((other) => other !== id);
        await takeover.bury(heart.stalePeers(), known);
        return takeover.collect(onExecutions);
      },
    };
    this.history = new PostgresHistory(this.#pool);
    this.#classes = classes;
    const retention = new Retention(this.#pool, { bytesMax: options.history?.bytesMax ?? null }, log);
    this.#maintenance = new Maintenance(this.#pool, retention, log);
  }

  async start(): Promise<void> {
    try {
      await this.#heart.start();
      await this.#maintenance.start();
    } catch (error) {
      await this.close(0);
      throw error;
    }
  }

  classSlot(name: string | null): number {
    return name === null ? 0 : (this.#classes.get(name) ?? 0);
  }

  get clockOffsetMs(): number {
    return this.#heart.clockOffsetMs;
  }

  get onCommit(): ((rows: number, durationMs: number) => void) | null {
    return this.ledger.onCommit;
  }

  set onCommit(callback: ((rows: number, durationMs: number) => void) | null) {
    this.ledger.onCommit = callback;
  }

  async incarnations(): Promise<StoredIncarnation[]> {
    return readIncarnations(this.#pool);
  }

  get trouble(): string | null {
    return this.ledger.trouble;
  }

  async isAvailable(): Promise<boolean> {
    return this.trouble === null && (await this.#heart.isAvailable());
  }

  stats(): StoreStats {
    return {
      poolSize: this.#pool.size + this.ledger.connectionCount + defaultConnections.beat,
      poolInUse: this.#pool.inUse + this.ledger.busyConnections,
      poolWaiting: this.#pool.waiting,
      pendingRows: this.ledger.pendingRows,
      pendingBytes: this.ledger.pendingBytes,
      ...this.#maintenance.state,
    };
  }

  async close(drainMs: number): Promise<void> {
    this.#maintenance.stop();
    await this.ledger.drain(drainMs);
    this.ledger.close();
    await this.#heart.stop();
    await this.#pool.close();
  }
}

/** Remembers that the incarnation was taken over, so that a listener that comes late is told too. */
class Fence {
  #dropped = false;
  #callbacks: (() => void)[] = [];

  get dropped(): boolean {
    return this.#dropped;
  }

  onDrop(callback: () => void): void {
    if (this.#dropped) callback();
    else this.#callbacks.push(callback);
  }

  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    for (const callback of this.#callbacks.splice(0)) callback();
  }
}

/** `parseDsn` sees to it that there are at least four. */
function shareConnections(poolMaxConns: number | null): { commit: number; query: number } {
  const { beat, commit, large, query } = defaultConnections;
  if (poolMaxConns === null) return { commit, query };
  const commits = poolMaxConns > 5 ? commit : 1;
  return { commit: commits, query: poolMaxConns - beat - large - commits };
}

/** Waits for the server, checks it, and migrates. */
/** Returns the slot of each retention class. */
async function prepareDatabase(dsn: Dsn, options: StoreOptions): Promise<ReadonlyMap<string, number>> {
  const untilMs = performance.now() + (options.connectPatienceMs ?? defaultConnectPatienceMs);
  for (;;) {
    try {
      const client = await connect(dsn, 'start');
      try {
        await checkServer(client, options.unsafe, options.log);
        const applied = await migrate(client);
        if (applied.length > 0) options.log.info({ migrations: applied }, 'the database schema is up to date');
        return await placeClasses(client, options.history ?? defaultClassSettings);
      } finally {
        await client.end().catch(() => {});
      }
    } catch (error) {
      if (!isTransient(error)) throw error instanceof NflowError ? error : refusedStart(dsn, error);
      if (performance.now() > untilMs) {
        throw new NflowError('store_unavailable', `The ${describeDsn(dsn)} is not reachable`, {
          got: String(error instanceof Error ? error.message : error),
          remedy: 'start PostgreSQL, or correct [database_nflow] dsn',
          cause: error,
        });
      }
      options.log.debug({ reason: String(error) }, 'waiting for PostgreSQL');
      await delay(connectRetryMs);
    }
  }
}

/** Wrong passwords, missing databases and failing migrations do not get better by waiting. */
function isTransient(error: unknown): boolean {
  if (error instanceof NflowError) return false;
  return !isDatabaseError(error) || isTransientState(error.code);
}

function refusedStart(dsn: Dsn, error: unknown): NflowError {
  return new NflowError('invalid_config', `The ${describeDsn(dsn)} cannot be used`, {
    got: error instanceof Error ? error.message : String(error),
    remedy: 'correct [database_nflow] dsn or the server, then start again',
    cause: error,
  });
}
