import { parseDsn } from '../config/dsn.ts';
import { bounded, connect } from './connect.ts';

/** What a server says of itself, as far as the promises depend on it. */
export interface ServerReport {
  version: string;
  fsync: string;
  fullPageWrites: string;
  /** Of our connections, and what it would be without our asking. */
  synchronousCommit: { ours: string; usual: string };
  encoding: string;
  isStandby: boolean;
}

const timeoutMs = 5_000;

/** Connects and asks. Rejects when the server is not reached, or refuses. */
export async function readServerReport(dsn: string): Promise<ServerReport> {
  const client = await connect(parseDsn(dsn), 'doctor');
  try {
    const { rows } = await bounded(
      client,
      timeoutMs,
      client.query<{ report: ServerReport }>(
        `SELECT json_build_object(
           'version', current_setting('server_version'),
           'fsync', current_setting('fsync'),
           'fullPageWrites', current_setting('full_page_writes'),
           'synchronousCommit', (SELECT json_build_object('ours', setting, 'usual', reset_val)
             FROM pg_settings WHERE name = 'synchronous_commit'),
           'encoding', current_setting('server_encoding'),
           'isStandby', pg_is_in_recovery()) AS report`,
      ),
    );
    return (rows[0] as { report: ServerReport }).report;
  } finally {
    await client.end().catch(() => {});
  }
}
