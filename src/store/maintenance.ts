/** Hourly work: partitions ahead of time, and the rows of incarnations that nothing names any more. */
import type { StoreLog } from './log.ts';
import { makePartitions } from './partitions.ts';
import type { QueryPool } from './query-pool.ts';

const intervalMs = 3_600_000;
const retryMs = 60_000;
/** Long enough for a person who asks what happened. */
const incarnationKeptDays = 7;

export class Maintenance {
  readonly #pool: QueryPool;
  readonly #nowMs: () => number;
  readonly #log: StoreLog;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(pool: QueryPool, nowMs: () => number, log: StoreLog) {
    this.#pool = pool;
    this.#nowMs = nowMs;
    this.#log = log;
  }

  /** Does it once now, and then every hour. */
  async start(): Promise<void> {
    await this.#run();
    this.#schedule(intervalMs);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    await this.#pool.use((client) => makePartitions(client, this.#nowMs(), this.#log));
    await this.#pool.query(
      `DELETE FROM nflow.incarnations i WHERE i.state <> 'live' AND i.ended_at < clock_timestamp() - $1 * interval '1 day'
       AND NOT EXISTS (SELECT FROM nflow.executions e WHERE e.owner = i.id AND e.status < 2)`,
      [incarnationKeptDays],
    );
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#run().then(
        () => this.#schedule(intervalMs),
        (error: unknown) => {
          this.#log.warn({ reason: String(error) }, 'partitions could not be made: trying again in a minute');
          this.#schedule(retryMs);
        },
      );
    }, delayMs).unref();
  }
}
