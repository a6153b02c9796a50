/** Makes one connection, with libpq's order of attempts for `sslmode`. */
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { type Dsn, sslModes } from '../config/dsn.ts';
import { NflowError } from '../errors.ts';

/** Keepalives find a peer that vanished without a word; the deadlines of batches and queries find it earlier. */
const keepAliveDelayMs = 5_000;

/** Of every session, whatever the role's or the database's defaults are. */
const sessionSettings = [
  // Keeps remote_apply where it is set: `on` is the least.
  "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') <> 'remote_apply'",
  // The fences are row locks whose waiters must see what was committed meanwhile.
  "SET default_transaction_isolation = 'read committed'",
];

type Attempt = false | ConnectionOptions;

/**
 * Connects and sets what every connection of ours needs.
 * @param purpose shown in `pg_stat_activity.application_name`.
 * @param session further `SET` statements.
 * @param driver.pipeline send queries without waiting for the answer to the one before.
 */
export async function connect(
  dsn: Dsn,
  purpose: string,
  session: string[] = [],
  driver: { pipeline?: boolean } = {},
): Promise<pg.Client> {
  let failure: unknown;
  for (const ssl of sslAttempts(dsn)) {
    const client = new pg.Client({
      host: dsn.host,
      port: dsn.port,
      user: dsn.user,
      // A function: the driver does not look into the environment then, and does not show it.
      password: () => dsn.password ?? '',
      database: dsn.database,
      ssl,
      application_name: `${dsn.applicationName ?? 'nflow'} ${purpose}`,
      options: dsn.options ?? undefined,
      connectionTimeoutMillis: dsn.connectTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: keepAliveDelayMs,
      ...driver,
    });
    // Without a listener an error of an idle connection would end the process; who uses it listens as well.
    client.on('error', () => {});
    try {
      await client.connect();
      await bounded(client, dsn.connectTimeoutMs, client.query([...sessionSettings, ...session].join(';\n')));
      return client;
    } catch (error) {
      failure = error;
      destroy(client);
    }
  }
  throw failure;
}

/** Waits for `work` on the connection; past the time the connection is destroyed, which makes the work fail. */
export async function bounded<Result>(client: pg.Client, timeoutMs: number, work: Promise<Result>): Promise<Result> {
  const timer = setTimeout(() => destroy(client), timeoutMs);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}

/** Ends a connection at once, whatever it is doing. */
export function destroy(client: pg.Client): void {
  const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection;
  stream.destroy();
}

function sslAttempts(dsn: Dsn): Attempt[] {
  // libpq never encrypts a Unix socket.
  if (dsn.host.startsWith('/')) return [false];
  const unverified: Attempt = { ...clientIdentity(dsn), rejectUnauthorized: false };
  const strength = sslModes.indexOf(dsn.sslMode);
  switch (dsn.sslMode) {
    case 'disable':
      return [false];
    case 'allow':
      return [false, unverified];
    case 'prefer':
      return [unverified, false];
    default: {
      if (dsn.sslMode === 'require' && dsn.sslRootCert === null) return [unverified];
      const verified: ConnectionOptions = { ...clientIdentity(dsn), rejectUnauthorized: true };
      if (dsn.sslRootCert !== null && dsn.sslRootCert !== 'system')
        verified.ca = readPem('sslrootcert', dsn.sslRootCert);
      // Up to verify-ca the name in the certificate may be another.
      if (strength < sslModes.indexOf('verify-full')) verified.checkServerIdentity = () => undefined;
      return [verified];
    }
  }
}

function clientIdentity(dsn: Dsn): ConnectionOptions {
  const identity: ConnectionOptions = {};
  if (dsn.sslCert !== null) identity.cert = readPem('sslcert', dsn.sslCert);
  if (dsn.sslKey !== null) identity.key = readPem('sslkey', dsn.sslKey);
  return identity;
}

function readPem(key: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new NflowError('invalid_config', `The file that ${key} of the connection string names cannot be read`, {
      pointer: key,
      got: String(error),
      expected: 'a readable PEM file',
      remedy: 'correct [database_nflow] dsn',
    });
  }
}
