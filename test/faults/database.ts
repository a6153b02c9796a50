/** What the tests read of nFlow's tables, past nFlow. */

import { parseDsn } from '../../src/config/dsn.ts';
import { firstEnded, statusOf } from '../../src/store/codes.ts';
import { connect } from '../../src/store/connect.ts';
import type { ExecutionStatus } from '../../src/store/port.ts';

export interface ExecutionRow {
  id: string;
  /** The run that the client asked for. */
  run: string;
  status: ExecutionStatus;
  output: string | null;
  error: string | null;
  endedAtMs: number | null;
  takeovers: number;
}

export interface DatabaseContent {
  executions: ExecutionRow[];
  /** Paths at the target whose effect has its result in the journal. */
  recorded: Set<string>;
  incarnations: { id: string; state: string }[];
}

/** One look at everything, in one snapshot. */
export async function readDatabase(dsn: string): Promise<DatabaseContent> {
  return withClient(dsn, async (client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const executions = await client.query<{
      id: string;
      input: Buffer;
      status: number;
      output: Buffer | null;
      error: Buffer | null;
      ended_at_ms: number | null;
      takeovers: number | null;
    }>('SELECT id, input, status, output, error, ended_at_ms, takeovers FROM nflow.executions');
    const journal = await client.query<{ json: Buffer }>("SELECT json FROM nflow.journal WHERE kind = 'http' AND ok");
    const incarnations = await client.query<{ id: string; state: string }>('SELECT id, state FROM nflow.incarnations');
    return {
      executions: executions.rows.map((row) => ({
        id: row.id,
        run: (JSON.parse(row.input.toString('utf8')) as { params: { run: string } }).params.run,
        status: statusOf(row.status),
        output: row.output?.toString('utf8') ?? null,
        error: row.error?.toString('utf8') ?? null,
        endedAtMs: row.ended_at_ms,
        takeovers: row.takeovers ?? 0,
      })),
      recorded: new Set(journal.rows.map(({ json }) => answeredPath(json.toString('utf8')))),
      incarnations: incarnations.rows,
    };
  });
}

export async function countUnfinished(dsn: string): Promise<number> {
  return withClient(dsn, async (client) => {
    const { rows } = await client.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM nflow.executions WHERE status < ${firstEnded}`,
    );
    return rows[0]?.count ?? 0;
  });
}

/** Backends of others: a killed gateway's live on until they notice, and may commit what they had been sent. */
export async function countBackends(dsn: string): Promise<number> {
  return withClient(dsn, async (client) => {
    const { rows } = await client.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = current_database()",
    );
    return rows[0]?.count ?? 0;
  });
}

type Client = Awaited<ReturnType<typeof connect>>;

async function withClient<Result>(dsn: string, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = await connect(parseDsn(dsn), 'fault test');
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The target tells the path it was asked for in each answer, and the journal keeps the answer. */
function answeredPath(resultJson: string): string {
  const { bodyText } = JSON.parse(resultJson) as { bodyText: string };
  return (JSON.parse(bodyText) as { path: string }).path;
}
