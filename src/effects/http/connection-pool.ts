import { Client } from 'undici';
import type { CheckedTarget } from './egress-guard.ts';
import { HttpFailure } from './failure.ts';
import { connectPinned } from './pinned-connection.ts';
import { type ProxyServer, proxyOf } from './proxy-tunnel.ts';

export interface ConnectionLimits {
  /** Kept without a request, over all origins; 0 keeps none. */
  maxIdleConns: number;
  /** The same for one origin. */
  maxIdleConnsPerHost: number;
  /** How long a connection is kept without a request; a shorter time that the server announces counts. */
  idleConnTimeoutMs: number;
  /** Open at one time for one origin, with or without a request; 0 is no limit. */
  maxConnsPerHost: number;
  /** For a new connection, TLS included. */
  connectTimeoutMs: number;
  /** `[http_client] proxy`; null or absent: connections are direct. */
  proxy?: string | null;
}

/** Bytes of an answer's headers, as Node's own client: a server that sends more is broken or hostile. */
export const responseHeaderSizeMax = 16 * 1024;

/** One connection with HTTP/1.1 on it: one request at a time. `client` never connects by itself. */
export interface Connection {
  readonly client: Client;
  /** The origin, and the TLS settings of calls that have their own. */
  readonly route: string;
  readonly addressKey: string;
  /** True when it has carried a request before: the server may have closed it a moment ago. */
  reused: boolean;
  /** False once the socket is gone or going. */
  isOpen(): boolean;
}

interface Waiter {
  target: CheckedTarget;
  /** With a connection to use, or null for the right to open one. */
  proceed(connection: PooledConnection | null): void;
  fail(reason: unknown): void;
}

interface OriginState {
  /** Connecting, in use and idle. */
  open: number;
  /** Oldest first. */
  idle: PooledConnection[];
  /** In the order in which they came; only with `maxConnsPerHost`. */
  waiting: Set<Waiter>;
}

interface PooledConnection extends Connection {
  state: 'active' | 'idle' | 'closed';
  close(): void;
}

/**
 * The connections of the `http` effect. undici pools by origin and caps only what is active; this pool caps what is kept idle (the
 * oldest goes first) and reuses a connection only for a call whose guard approved the address that it goes to, so that a
 * connection never outlives the permission to use it. The price is a scan of an origin's idle connections, of which there are few.
 *
 *   connecting ──► active ⇄ idle
 *       │             │       │
 *       └─────────────┴───────┴──► closed
 *
 * `acquire` gives an active connection, `release` takes it back: usable ones become idle or go to who waits, others are closed.
 * A socket that closes by itself leaves the pool from any state.
 */
export class ConnectionPool {
  readonly #limits: ConnectionLimits;
  readonly #proxy: ProxyServer | null;
  readonly #origins = new Map<string, OriginState>();
  /** Over all origins, oldest first. */
  readonly #idle = new Set<PooledConnection>();
  readonly #active = new Set<PooledConnection>();
  #closed = false;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
    this.#proxy = proxyOf(limits.proxy ?? null);
  }

  /**
   * Rejects with HttpFailure (`connect`, `tls`, `aborted` when the pool is closed) or `signal.reason`. `fresh` asks for a new
   * connection: a kept one has just turned out to be dead.
   */
  async acquire(target: CheckedTarget, signal: AbortSignal, fresh = false): Promise<Connection> {
    signal.throwIfAborted();
    if (this.#closed) throw closedFailure();
    const kept = fresh ? undefined : takeMatching(this.#stateOf(routeOf(target)), target);
    if (kept !== undefined) {
      this.#activate(kept);
      return kept;
    }
    // Full, and what is idle is not for this call: the oldest makes room.
    if (this.#isFull(this.#stateOf(routeOf(target)))) this.#stateOf(routeOf(target)).idle[0]?.close();
    const state = this.#stateOf(routeOf(target));
    if (this.#isFull(state)) {
      const passed = await this.#wait(target, state, signal);
      return passed ?? this.#connect(target, state, signal);
    }
    state.open++;
    return this.#connect(target, state, signal);
  }

  /** `reusable`: the answer was read to its end. */
  release(connection: Connection, reusable: boolean): void {
    const pooled = connection as PooledConnection;
    if (pooled.state !== 'active') return;
    pooled.reused = true;
    const state = this.#stateOf(pooled.route);
    if (!reusable || !pooled.isOpen() || this.#closed) {
      pooled.close();
      return;
    }
    const [waiter] = state.waiting;
    if (waiter !== undefined) {
      if (waiter.target.addressKeys.has(pooled.addressKey)) {
        state.waiting.delete(waiter);
        waiter.proceed(pooled);
      } else {
        pooled.close();
      }
      return;
    }
    this.#active.delete(pooled);
    pooled.state = 'idle';
    state.idle.push(pooled);
    this.#idle.add(pooled);
    if (state.idle.length > this.#limits.maxIdleConnsPerHost) state.idle[0]?.close();
    else if (this.#idle.size > this.#limits.maxIdleConns) this.#idle.values().next().value?.close();
  }

  /** Closes every connection, also those in use: their requests fail. */
  close(): void {
    this.#closed = true;
    for (const state of this.#origins.values()) {
      for (const waiter of state.waiting) waiter.fail(closedFailure());
      state.waiting.clear();
    }
    for (const connection of [...this.#idle, ...this.#active]) connection.close();
  }

  #isFull(state: OriginState): boolean {
    return this.#limits.maxConnsPerHost > 0 && state.open >= this.#limits.maxConnsPerHost;
  }

  #stateOf(route: string): OriginState {
    let state = this.#origins.get(route);
    if (state === undefined) {
      state = { open: 0, idle: [], waiting: new Set() };
      this.#origins.set(route, state);
    }
    return state;
  }

  #activate(connection: PooledConnection): void {
    this.#idle.delete(connection);
    this.#active.add(connection);
    connection.state = 'active';
  }

  /** The caller has counted the connection in `state.open`. */
  async #connect(target: CheckedTarget, state: OriginState, signal: AbortSignal): Promise<PooledConnection> {
    try {
      const { socket, addressKey } = await connectPinned(target, this.#limits.connectTimeoutMs, signal, this.#proxy);
      if (this.#closed) {
        socket.destroy();
        throw closedFailure();
      }
      let taken = false;
      const client = new Client(target.origin, {
        connect: (_options, connected) => {
          // One client, one connection: it would reconnect by itself, past the guard and the limits.
          if (taken) queueMicrotask(() => connected(new ConnectionGone(), null));
          else queueMicrotask(() => connected(null, socket));
          taken = true;
        },
        pipelining: 1,
        allowH2: false,
        useMilo: false,
        maxHeaderSize: responseHeaderSizeMax,
        // The call's own deadline covers all of it.
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: Math.max(1, this.#limits.idleConnTimeoutMs),
        keepAliveMaxTimeout: Math.max(1, this.#limits.idleConnTimeoutMs),
      });
      const connection: PooledConnection = {
        client,
        route: routeOf(target),
        addressKey,
        reused: false,
        state: 'active',
        isOpen: () => !socket.destroyed && socket.readable && socket.writable,
        close: () => {
          if (connection.state === 'closed') return;
          this.#forget(connection, state);
          client.destroy().catch(ignoreError);
          socket.destroy();
        },
      };
      this.#active.add(connection);
      // Before undici's own listener, which is added with the first request: whoever acquires next must not get this one.
      socket.once('close', connection.close);
      return connection;
    } catch (error) {
      this.#giveSlotBack(routeOf(target), state);
      throw error;
    }
  }

  #forget(connection: PooledConnection, state: OriginState): void {
    connection.state = 'closed';
    this.#active.delete(connection);
    this.#idle.delete(connection);
    const at = state.idle.indexOf(connection);
    if (at !== -1) state.idle.splice(at, 1);
    this.#giveSlotBack(connection.route, state);
  }

  #giveSlotBack(route: string, state: OriginState): void {
    const [waiter] = state.waiting;
    if (waiter !== undefined) {
      state.waiting.delete(waiter);
      waiter.proceed(null);
      return;
    }
    state.open--;
    if (state.open === 0) this.#origins.delete(route);
  }

  #wait(target: CheckedTarget, state: OriginState, signal: AbortSignal): Promise<PooledConnection | null> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        state.waiting.delete(waiter);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        target,
        proceed: (connection) => {
          signal.removeEventListener('abort', onAbort);
          resolve(connection);
        },
        fail: (reason) => {
          signal.removeEventListener('abort', onAbort);
          reject(reason);
        },
      };
      state.waiting.add(waiter);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}

/** A connection that was made with other certificates is another one. */
function routeOf({ origin, tls }: CheckedTarget): string {
  return tls === undefined ? origin : `${origin} ${tls.name}`;
}

/** The socket closed before the request was written to it: nothing has been sent. */
export class ConnectionGone extends Error {
  constructor() {
    super('the connection was closed before the request was sent');
    this.name = 'ConnectionGone';
  }
}

/** The youngest usable one: the older ones get the chance to time out. */
function takeMatching(state: OriginState, target: CheckedTarget): PooledConnection | undefined {
  for (let i = state.idle.length - 1; i >= 0; i--) {
    const connection = state.idle[i] as PooledConnection;
    if (!connection.isOpen() || !target.addressKeys.has(connection.addressKey)) continue;
    state.idle.splice(i, 1);
    return connection;
  }
  return undefined;
}

function closedFailure(): HttpFailure {
  return new HttpFailure('aborted', 'the server is stopping');
}

function ignoreError(): void {}
