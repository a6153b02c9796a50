import type { StoredIncarnation } from './port.ts';
import type { QueryPool } from './query-pool.ts';

const shownMax = 500;

interface IncarnationRow {
  id: string;
  server: string;
  state: StoredIncarnation['state'];
  beat: string;
  started_at: Date;
  ended_at: Date | null;
  taken_by: string | null;
}

/** Gateways that live, then those that ended, newest first: what maintenance has not removed yet. */
export async function readIncarnations(pool: QueryPool): Promise<StoredIncarnation[]> {
  const rows = await pool.query<IncarnationRow>(
    `SELECT id, server, state, beat, started_at, ended_at, taken_by FROM nflow.incarnations
     ORDER BY state = 'live' DESC, started_at DESC, id LIMIT ${shownMax}`,
  );
  return rows.map((row) => ({
    id: row.id,
    server: row.server,
    state: row.state,
    beat: Number(row.beat),
    startedAt: row.started_at,
    endedAt: row.ended_at,
    takenBy: row.taken_by,
  }));
}
