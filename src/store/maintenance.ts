/**
 * What is done every few minutes: partitions ahead of time, the end of old ones, and the rows of incarnations that nothing
 * names any more. One server at a time does it; the steps are small, and a failure or a lock that is not free ends the round.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ClockWatch } from './clock-watch.ts';
import type { StoreLog } from './log.ts';
import { makePartitions } from './partitions.ts';
import type { QueryPool } from './query-pool.ts';
import type { Retention, StepResult } from './retention.ts';

const intervalMs = 5 * 60_000;
/** A start has better things to do, and so has a server that is started again and again. */
const firstRunMs = 60_000;
const retryMs = 60_000;
/** Between two steps that lock the partitioned tables for a moment. */
const pauseMs = 100;
/** After a lock was not free, and how often that may happen in a row of steps. */
const busyPauseMs = 1_000;
const busyMax = 5;
/** Long enough for a person who asks what happened. */
const incarnationKeptDays = 7;

export interface MaintenanceState {
  /** Rows in the default partitions, at the last look. */
  defaultPartitionRows: number;
  /** Bytes on disk of executions and journals with their indexes, at the last look. */
  historyBytes: number;
}

export class Maintenance {
  readonly state: MaintenanceState = { defaultPartitionRows: 0, historyBytes: 0 };
  readonly #pool: QueryPool;
  readonly #retention: Retention;
  readonly #log: StoreLog;
  readonly #clock = new ClockWatch();
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(pool: QueryPool, retention: Retention, log: StoreLog) {
    this.#pool = pool;
    this.#retention = retention;
    this.#log = log;
  }

  /** Makes the partitions that writing needs, and does the rest from a minute later on. */
  async start(): Promise<void> {
    const nowMs = await this.#readClock();
    await this.#pool.use((client) => makePartitions(client, nowMs, this.#log));
    this.#schedule(firstRunMs);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    const retention = this.#retention;
    const nowMs = await this.#readClock();
    const hourly = await retention.hourlySlots(nowMs);
    await this.#repeat(() => retention.unmakeWrongSize(nowMs, hourly));
    await this.#pool.use((client) => makePartitions(client, nowMs, this.#log, hourly));
    await this.#repeat(() => retention.keepLateRows(nowMs));
    if (this.#clock.isTrusted) {
      await this.#repeat(() => retention.retireExpired(nowMs));
      await this.#repeat(() => retention.dropKept(nowMs));
    }
    await this.#repeat(() => retention.retireForSpace(nowMs));
    await this.#repeat(() => retention.dropRetired());
    await this.#forgetIncarnations();
    await this.#look();
  }

  /** PostgreSQL's clock: the one that ids are made with. */
  async #readClock(): Promise<number> {
    const rows = await this.#pool.query<{ now_ms: number }>(
      'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now_ms',
    );
    const nowMs = rows[0]?.now_ms ?? Date.now();
    const steppedMs = this.#clock.observe(nowMs);
    if (steppedMs !== 0) {
      this.#log.error(
        { steppedMs: Math.round(steppedMs) },
        "PostgreSQL's clock was stepped, or its machine slept: nothing is dropped by age for a day. Check the clock",
      );
    }
    return nowMs;
  }

  /** Until there is nothing to do, or somebody was in the way too often. */
  async #repeat(step: () => Promise<StepResult>): Promise<void> {
    let busy = 0;
    while (!this.#stopped && busy < busyMax) {
      const result = await step();
      if (result === 'nothing') return;
      if (result === 'busy') busy++;
      await delay(result === 'busy' ? busyPauseMs : pauseMs, undefined, { ref: false });
    }
  }

  async #forgetIncarnations(): Promise<void> {
    await this.#pool.query(
      `DELETE FROM nflow.incarnations i WHERE i.state <> 'live' AND i.ended_at < clock_timestamp() - $1 * interval '1 day'
       AND NOT EXISTS (SELECT FROM nflow.all_executions e WHERE e.owner = i.id AND e.status < 2)`,
      [incarnationKeptDays],
    );
  }

  async #look(): Promise<void> {
    const rows = await this.#retention.defaultPartitionRows();
    if (rows > 0) {
      this.#log.error(
        { rows },
        'executions lie in a default partition: their ids are of a time for which there is no other. Check the clocks of the servers',
      );
    }
    this.state.defaultPartitionRows = rows;
    this.state.historyBytes = await this.#retention.historyBytes();
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#run().then(
        () => this.#schedule(intervalMs),
        (error: unknown) => {
          if (this.#stopped) return;
          this.#log.warn({ reason: String(error) }, 'the history could not be maintained: trying again in a minute');
          this.#schedule(retryMs);
        },
      );
    }, delayMs).unref();
  }
}
