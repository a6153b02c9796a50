/**
 * This gateway as an owner of executions.
 *
 * A row in `incarnations` stands for one life of one gateway. It says how alive the gateway is by a count that goes up every
 * beat, and it is the fence: every batch that writes for a started execution locks the row FOR KEY SHARE, and who takes over
 * locks it FOR UPDATE before it sets `dead`. So a batch either commits before the taker reads, or fails.
 *
 *   live ──► ended   closed in order
 *     └────► dead    taken over
 *
 * Nobody compares clocks with another machine. A peer is stale when its count stood still for a lease by our own monotonic
 * clock, all that time seen through one connection that was up: while PostgreSQL is away nobody ages.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Dsn } from '../config/dsn.ts';
import { bounded, connect, destroy } from './connect.ts';
import type { StoreLog } from './log.ts';
import { catalogChannel } from './workflows.ts';

export const leaseMs = 15_000;
export const beatIntervalMs = 5_000;
/** No beat for this long: somebody may be about to take over, so no effect may leave. */
export const mayActMs = leaseMs / 2;
/** A beat that takes longer counts as failed, and so does its connection. */
const beatDeadlineMs = 2_500;
const connectTimeoutMaxMs = 5_000;
const retryDelayMs = 500;
const clockOffsetMaxMs = 2_000;
const availabilityDeadlineMs = 1_000;

/** How long the beats take; tests shorten them. */
export interface BeatTiming {
  leaseMs: number;
  intervalMs: number;
  mayActMs: number;
}

export const defaultBeatTiming: BeatTiming = { leaseMs, intervalMs: beatIntervalMs, mayActMs };

interface Peer {
  beat: string;
  /** When we first saw this count. */
  sinceMs: number;
}

export interface StalePeer {
  id: string;
  /** The count that stood still: it must still be this when the peer is taken over. */
  beat: string;
}

export class Heart {
  readonly #dsn: Dsn;
  readonly #id: string;
  readonly #serverName: string;
  readonly #timing: BeatTiming;
  readonly #log: StoreLog;
  readonly #onFenced: () => void;
  readonly #onRevision: (revision: number) => void;
  #client: pg.Client | null = null;
  #lastBeatMs = Number.NEGATIVE_INFINITY;
  #peers = new Map<string, Peer>();
  #observedMs = Number.NEGATIVE_INFINITY;
  #clockOffsetMs = 0;
  #clockErrorMs = Number.POSITIVE_INFINITY;
  #stopped = false;
  #wake: AbortController = new AbortController();
  #probe: Promise<boolean> | null = null;
  #loop: Promise<void> | null = null;

  /** `onRevision` is told the catalog's revision with every beat, and at once when somebody publishes. */
  constructor(
    dsn: Dsn,
    id: string,
    serverName: string,
    timing: BeatTiming,
    log: StoreLog,
    onFenced: () => void,
    onRevision: (revision: number) => void,
  ) {
    this.#dsn = dsn;
    this.#id = id;
    this.#serverName = serverName;
    this.#timing = timing;
    this.#log = log;
    this.#onFenced = onFenced;
    this.#onRevision = onRevision;
  }

  get clockOffsetMs(): number {
    return this.#clockOffsetMs;
  }

  get mayAct(): boolean {
    return !this.#stopped && performance.now() - this.#lastBeatMs < this.#timing.mayActMs;
  }

  /** Writes the row and begins to beat. */
  async start(): Promise<void> {
    const client = await this.#connect();
    const sentMs = performance.now();
    await bounded(
      client,
      beatDeadlineMs,
      client.query('INSERT INTO nflow.incarnations (id, server) VALUES ($1, $2)', [this.#id, this.#serverName]),
    );
    this.#lastBeatMs = sentMs;
    // The first beat also measures the clock: ids are made with it.
    await this.#beat();
    this.#loop = this.#sleep(this.#timing.intervalMs).then(() => this.#beatForEver());
  }

  /** Peers whose count stood still for a lease, as far as the last look says. */
  stalePeers(): StalePeer[] {
    // An old look says nothing: the connection may be gone since.
    if (this.#client === null || performance.now() - this.#observedMs > this.#timing.leaseMs) return [];
    return [...this.#peers]
      .filter(([, { sinceMs }]) => this.#observedMs - sinceMs >= this.#timing.leaseMs)
      .map(([id, { beat }]) => ({ id, beat }));
  }

  /** Whether a round trip works now. Callers of one moment share it. */
  isAvailable(): Promise<boolean> {
    this.#probe ??= this.#roundTrip().finally(() => {
      this.#probe = null;
    });
    return this.#probe;
  }

  /** Marks the row as ended: what is left is taken over without waiting, and without counting as a failure. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake.abort();
    // A beat under way may be stuck in a connection that is not made.
    await Promise.race([this.#loop, delay(beatDeadlineMs, undefined, { ref: false })]);
    const client = this.#client;
    this.#client = null;
    if (client === null) return;
    try {
      await bounded(
        client,
        beatDeadlineMs,
        client.query(
          "UPDATE nflow.incarnations SET state = 'ended', ended_at = clock_timestamp() WHERE id = $1 AND state = 'live'",
          [this.#id],
        ),
      );
      await bounded(client, beatDeadlineMs, client.end());
    } catch (error) {
      this.#log.warn({ reason: String(error) }, 'the incarnation could not be marked as ended');
      destroy(client);
    }
  }

  async #beatForEver(): Promise<void> {
    while (!this.#stopped) {
      const succeeded = await this.#beat();
      await this.#sleep(succeeded ? this.#timing.intervalMs : Math.min(retryDelayMs, this.#timing.intervalMs));
    }
  }

  async #beat(): Promise<boolean> {
    let client = this.#client;
    try {
      client ??= await this.#connect();
      const sentMs = performance.now();
      const sentAtMs = Date.now();
      const live = await bounded(client, beatDeadlineMs, this.#exchange(client, sentAtMs));
      if (live) {
        this.#lastBeatMs = sentMs;
        return true;
      }
      this.#stopped = true;
      this.#onFenced();
      return false;
    } catch (error) {
      if (!this.#stopped) this.#log.warn({ reason: String(error) }, 'the beat did not reach PostgreSQL');
      if (client !== null) this.#lose(client);
      return false;
    }
  }

  /** One round trip: our count goes up, the clock is compared, the others' counts and the catalog's revision are read. */
  async #exchange(client: pg.Client, sentAtMs: number): Promise<boolean> {
    const beat = client.query<{ now_ms: number }>(
      `UPDATE nflow.incarnations SET beat = beat + 1 WHERE id = $1 AND state = 'live'
       RETURNING extract(epoch FROM clock_timestamp())::float8 * 1000 AS now_ms`,
      [this.#id],
    );
    const others = client.query<{ id: string; beat: string }>(
      "SELECT id, beat::text FROM nflow.incarnations WHERE state = 'live' AND id <> $1",
      [this.#id],
    );
    const catalog = client.query<{ revision: string }>('SELECT revision FROM nflow.catalog');
    const [{ rows }, { rows: peers }, { rows: catalogs }] = await Promise.all([beat, others, catalog]);
    const nowMs = rows[0]?.now_ms;
    if (nowMs === undefined) return false;
    this.#adjustClock(nowMs, sentAtMs, Date.now());
    this.#observe(peers, performance.now());
    if (catalogs[0] !== undefined) this.#onRevision(Number(catalogs[0].revision));
    return true;
  }

  /**
   * PostgreSQL read its clock somewhere between: the middle is the best guess, wrong by at most half the round trip. A guess from
   * a quicker round trip stays as long as the new one does not contradict it.
   */
  #adjustClock(serverNowMs: number, sentAtMs: number, receivedAtMs: number): void {
    const offsetMs = serverNowMs - (sentAtMs + receivedAtMs) / 2;
    const errorMs = (receivedAtMs - sentAtMs) / 2;
    if (errorMs > this.#clockErrorMs && Math.abs(offsetMs - this.#clockOffsetMs) <= errorMs) return;
    if (Math.abs(offsetMs) > clockOffsetMaxMs && Math.abs(this.#clockOffsetMs) < clockOffsetMaxMs) {
      this.#log.warn(
        { offsetMs: Math.round(offsetMs) },
        `this machine's clock is more than ${clockOffsetMaxMs} ms away from PostgreSQL's: set both by NTP`,
      );
    }
    this.#clockErrorMs = errorMs;
    this.#clockOffsetMs = Math.min(Math.max(offsetMs, -clockOffsetMaxMs), clockOffsetMaxMs);
  }

  #observe(peers: { id: string; beat: string }[], nowMs: number): void {
    const seen = new Map<string, Peer>();
    for (const { id, beat } of peers) {
      const before = this.#peers.get(id);
      seen.set(id, before !== undefined && before.beat === beat ? before : { beat, sinceMs: nowMs });
    }
    this.#peers = seen;
    this.#observedMs = nowMs;
  }

  async #connect(): Promise<pg.Client> {
    const dsn = { ...this.#dsn, connectTimeoutMs: Math.min(this.#dsn.connectTimeoutMs, connectTimeoutMaxMs) };
    const setup = [`SET statement_timeout = ${beatDeadlineMs}`, `LISTEN ${catalogChannel}`];
    const client = await connect(dsn, 'beat', setup, { pipeline: true });
    client.on('notification', ({ payload }) => this.#onRevision(Number(payload)));
    client.on('error', () => this.#lose(client));
    client.on('end', () => this.#lose(client));
    this.#client = client;
    return client;
  }

  /** What was seen through a lost connection counts for nothing. */
  #lose(client: pg.Client): void {
    if (this.#client !== client) return;
    this.#client = null;
    this.#peers.clear();
    this.#observedMs = Number.NEGATIVE_INFINITY;
    destroy(client);
    // The next beat comes at once, not after the interval.
    this.#wake.abort();
  }

  async #roundTrip(): Promise<boolean> {
    const client = this.#client;
    if (client === null) return false;
    const late = delay(availabilityDeadlineMs, false, { ref: false });
    const answer = client.query('SELECT 1').then(
      () => true,
      () => false,
    );
    return Promise.race([answer, late]);
  }

  async #sleep(durationMs: number): Promise<void> {
    if (this.#wake.signal.aborted) this.#wake = new AbortController();
    const woken = this.#stopped
      ? Promise.resolve()
      : delay(durationMs, undefined, { ref: false, signal: this.#wake.signal });
    await Promise.resolve(woken).catch(() => {});
  }
}
