import { randomUUID } from 'node:crypto';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import type { DatasourceConfig } from '../../src/config/config.ts';
import { parseDsn } from '../../src/config/dsn.ts';
import type { EffectContext, EffectResult } from '../../src/effects/port.ts';
import type { SqlArguments } from '../../src/effects/sql/arguments.ts';
import { createSqlEffect, type SqlEffect } from '../../src/effects/sql/effect.ts';
import { contextOf } from './calls.ts';

export const datasourceDefaults: DatasourceConfig = {
  dsn: '',
  workflows: ['*'],
  readOnly: false,
  poolMaxConns: 4,
  acquireTimeoutMs: 5_000,
  statementTimeoutMs: 30_000,
  rowsMax: 1_000,
  bytesMax: 1024 * 1024,
  effectsRetentionMs: 30 * 24 * 60 * 60 * 1000,
};

/** The effect with one datasource, `main`; disposing it closes its connections. */
export function sqlEffect(config: Partial<DatasourceConfig> & { dsn: string }): SqlEffect & Disposable {
  const effect = createSqlEffect({ main: { ...datasourceDefaults, ...config } });
  return Object.assign(effect, { [Symbol.dispose]: () => void effect.close() });
}

/** Each call has a key of its own, unless the context says one. */
export function callSql(
  effect: SqlEffect,
  given: SqlArguments,
  context: Partial<EffectContext> = {},
): Promise<EffectResult> {
  const whole = { ...contextOf(), idempotencyKey: randomUUID(), ...context };
  return effect.perform({ kind: 'sql', argumentsJson: JSON.stringify(given) }, whole);
}

export interface Rows {
  rows: Record<string, unknown>[];
  rowCount: number;
  nextCursor?: string | null;
}

export interface Relay extends AsyncDisposable {
  /** The DSN with this port instead. */
  dsn: string;
  /**
   * From now on, the next connection whose server says that it has committed is ended instead of being told. Resolves when that has
   * happened.
   */
  swallowNextCommit(): Promise<void>;
  /** Ends all connections, and those that come. */
  refuse(): void;
}

const commitTag = 'COMMIT\0';

/** Stands between an effect and the Unix socket of PostgreSQL, and can lose what is on its way. */
export async function startRelay(dsn: string): Promise<Relay> {
  const { host, port: upstreamPort } = parseDsn(dsn);
  const sockets = new Set<Socket>();
  let isRefusing = false;
  let swallowed: (() => void) | null = null;
  const server = createServer((client) => {
    if (isRefusing) {
      client.destroy();
      return;
    }
    const upstream = connectSocket(`${host}/.s.PGSQL.${upstreamPort}`);
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end);
      socket.on('close', () => {
        sockets.delete(socket);
        end();
      });
    }
    client.on('data', (data) => upstream.write(data));
    upstream.on('data', (data) => {
      if (swallowed !== null && data.includes(commitTag)) {
        const done = swallowed;
        swallowed = null;
        end();
        done();
      } else client.write(data);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const relayed = new URL(dsn);
  relayed.hostname = '127.0.0.1';
  relayed.port = String(port);
  relayed.searchParams.set('sslmode', 'disable');
  return {
    dsn: relayed.href,
    swallowNextCommit: () =>
      new Promise((resolve) => {
        swallowed = resolve;
      }),
    refuse() {
      isRefusing = true;
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
