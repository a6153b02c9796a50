/** What a PostgreSQL server must be before anything is promised on it. */
import type pg from 'pg';
import { NflowError } from '../errors.ts';
import type { StoreLog } from './log.ts';

const oldestMajor = 14;
const newestTestedMajor = 18;

/** @throws NflowError `invalid_config` naming the setting, what it is, and what it must be. */
export async function checkServer(client: pg.ClientBase, unsafe: boolean, log: StoreLog): Promise<void> {
  const { rows } = await client.query<{
    version: string;
    fsync: string;
    full_page_writes: string;
    encoding: string;
    recovering: boolean;
  }>(
    `SELECT current_setting('server_version_num') AS version, current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes, current_setting('server_encoding') AS encoding,
       pg_is_in_recovery() AS recovering`,
  );
  const server = rows[0];
  if (server === undefined) throw new Error('PostgreSQL answered nothing about itself');
  const major = Math.floor(Number(server.version) / 10_000);
  if (major < oldestMajor) {
    throw refused(
      'The PostgreSQL server is too old',
      `version ${major}`,
      `${oldestMajor} to ${newestTestedMajor}`,
      'upgrade it',
    );
  }
  if (major > newestTestedMajor) {
    log.warn(
      { version: major },
      `this PostgreSQL is newer than ${newestTestedMajor}, the newest that nFlow was tested with`,
    );
  }
  if (server.encoding !== 'UTF8') {
    throw refused(
      'The database has another encoding than UTF8',
      server.encoding,
      'UTF8',
      "create the database with ENCODING 'UTF8' TEMPLATE template0",
    );
  }
  if (server.recovering) {
    throw refused(
      'The PostgreSQL server is a standby',
      'a server in recovery',
      'the primary',
      'point [database_nflow] dsn at the primary',
    );
  }
  if (server.fsync === 'off') {
    if (!unsafe) {
      throw refused(
        'The PostgreSQL server may lose what it has confirmed',
        'fsync = off',
        'fsync = on',
        'turn fsync on, or set [database_nflow] unsafe = true when losing executions in a power cut is acceptable',
      );
    }
    log.warn({}, 'PostgreSQL runs with fsync = off: a power cut may lose confirmed executions or the whole database');
  }
}

function refused(message: string, got: string, expected: string, remedy: string): NflowError {
  return new NflowError('invalid_config', message, { got, expected, remedy });
}
