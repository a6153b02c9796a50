import { openRedisClient, type RedisClient, type RedisReply, type RedisTarget } from './redis-client.ts';
import { RedisAway, redisFailureOf } from './redis-failure.ts';

export interface RedisConnectionOptions extends RedisTarget {
  /** Connections to a single server; a Cluster has one to each node. */
  connectionsMax: number;
  /** What a call may take; longer counts as away. */
  callTimeoutMs: number;
  /** Redis is there again, or gone: said once a change, and not more often than every minute. */
  onChange?(change: RedisChange): void;
}

export type RedisChange = { isUp: true } | { isUp: false; reason: string };

export interface RedisStats {
  isUp: boolean;
  callsTotal: number;
  /** Calls that could not be made or had no answer in time. */
  failedTotal: number;
}

const retryMsMin = 100;
const retryMsMax = 5_000;
/** Calls under way on each connection, above which another one is opened. */
const pendingMin = 32;
const tellIntervalMs = 60_000;

interface Way {
  client: RedisClient;
  pending: number;
}

/**
 * A Redis that may go and come: it is connected when it is first needed, and nobody waits for it. Calls go out while it is there; the
 * first one that has no answer in time, or none at all, makes it count as away, and from then on each call is refused at once until a
 * new connection has answered. Between the tries the waits grow.
 *
 *   idle ──first call──► away ◄──a call without an answer──── up
 *                         └─────────connected, and answers─────►
 */
export class RedisConnection {
  readonly #options: RedisConnectionOptions;
  readonly #ways: Way[] = [];
  readonly #returnListeners: (() => void)[] = [];
  #state: 'idle' | 'away' | 'up' | 'closed' = 'idle';
  #reason = 'it is not connected yet';
  #isOpeningMore = false;
  #retryMs = retryMsMin;
  #retrying: NodeJS.Timeout | undefined;
  #opening: Promise<void> | null = null;
  #toldAwayAtMs = Number.NEGATIVE_INFINITY;
  #isToldAway = false;
  #calls = 0;
  #failed = 0;

  constructor(options: RedisConnectionOptions) {
    this.#options = options;
  }

  get stats(): RedisStats {
    return { isUp: this.#state === 'up', callsTotal: this.#calls, failedTotal: this.#failed };
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  /** Called each time that it is there, the first time too. */
  onReturn(listener: () => void): void {
    this.#returnListeners.push(listener);
  }

  /** Begins to connect. Resolves when the first try is over, whatever came of it; never rejects. */
  connect(): Promise<void> {
    if (this.#state !== 'idle') return this.#opening ?? Promise.resolve();
    this.#state = 'away';
    return this.#open();
  }

  /**
   * Rejects with RedisAway at once while it is away, and when there is no answer in time; with RedisRefusal for what Redis says.
   */
  async call(command: string, ...parameters: (string | number)[]): Promise<RedisReply> {
    this.#calls++;
    if (this.#state === 'idle') void this.connect();
    if (this.#state !== 'up') {
      this.#failed++;
      throw new RedisAway(this.#reason);
    }
    const way = this.#leastBusy();
    way.pending++;
    try {
      return await within(this.#options.callTimeoutMs, way.client.call(command, parameters));
    } catch (error) {
      const failure = redisFailureOf(error);
      if (failure instanceof RedisAway) {
        this.#failed++;
        this.#lose(failure.message, way);
      }
      throw failure;
    } finally {
      way.pending--;
    }
  }

  close(): void {
    this.#state = 'closed';
    this.#reason = 'the server is stopping';
    clearTimeout(this.#retrying);
    for (const { client } of this.#ways.splice(0)) client.close();
  }

  #leastBusy(): Way {
    let [found] = this.#ways as [Way];
    for (const way of this.#ways) if (way.pending < found.pending) found = way;
    if (found.pending >= pendingMin && !found.client.isCluster && this.#ways.length < this.#options.connectionsMax)
      void this.#openMore();
    return found;
  }

  async #openMore(): Promise<void> {
    if (this.#isOpeningMore) return;
    this.#isOpeningMore = true;
    try {
      const client = await openRedisClient(this.#options);
      if (this.#state === 'up') this.#ways.push({ client, pending: 0 });
      else client.close();
    } catch {
      // Those that are open go on; if Redis is gone they will tell.
    } finally {
      this.#isOpeningMore = false;
    }
  }

  /** A connection that failed after others have been opened anew says nothing about those. */
  #lose(reason: string, way: Way): void {
    if (this.#state !== 'up' || !this.#ways.includes(way)) return;
    this.#state = 'away';
    for (const { client } of this.#ways.splice(0)) client.close();
    this.#tellAway(reason);
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#state === 'closed') return;
    this.#retrying = setTimeout(() => void this.#open(), this.#retryMs).unref();
    this.#retryMs = Math.min(retryMsMax, this.#retryMs * 2);
  }

  #open(): Promise<void> {
    this.#opening ??= this.#tryToOpen().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  async #tryToOpen(): Promise<void> {
    let client: RedisClient | null = null;
    try {
      client = await openRedisClient(this.#options);
      // A process that stands still has a kernel that accepts, and a Cluster may be there and not work: only an answer counts.
      await within(Math.max(this.#options.callTimeoutMs, retryMsMin), client.call('GET', ['nflow:is-it-there']));
    } catch (error) {
      client?.close();
      this.#tellAway(redisFailureOf(error).message);
      this.#retryLater();
      return;
    }
    if (this.#state === 'closed') {
      client.close();
      return;
    }
    this.#ways.push({ client, pending: 0 });
    this.#state = 'up';
    this.#retryMs = retryMsMin;
    if (this.#isToldAway) this.#options.onChange?.({ isUp: true });
    this.#isToldAway = false;
    for (const listener of this.#returnListeners) listener();
  }

  /** A Cluster of which a part is gone comes and goes: that is no reason for a line each time. */
  #tellAway(reason: string): void {
    this.#reason = `Redis is away: ${reason}`;
    const nowMs = performance.now();
    if (this.#isToldAway || this.#state === 'closed' || nowMs - this.#toldAwayAtMs < tellIntervalMs) return;
    this.#toldAwayAtMs = nowMs;
    this.#isToldAway = true;
    this.#options.onChange?.({ isUp: false, reason });
  }
}

function within<Value>(timeoutMs: number, answer: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new RedisAway(`no answer within ${timeoutMs} ms`)), timeoutMs);
    answer.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
