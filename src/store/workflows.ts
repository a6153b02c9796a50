/** Published versions. They are never changed or removed: executions name them. */
import type { PublishedVersion, WorkflowStore } from './port.ts';
import type { QueryPool } from './query-pool.ts';

interface VersionRow {
  id: number;
  workflow: string;
  version: number;
  definition: string;
  published_at: Date;
}

const columns = 'v.id, w.name AS workflow, v.version, v.definition, v.published_at';

export class PostgresWorkflowStore implements WorkflowStore {
  readonly #pool: QueryPool;

  constructor(pool: QueryPool) {
    this.#pool = pool;
  }

  async publish(workflow: string, definitionText: string): Promise<{ version: PublishedVersion; changed: boolean }> {
    return this.#pool.transaction(async (client) => {
      await client.query('INSERT INTO nflow.workflows (name) VALUES ($1) ON CONFLICT (name) DO NOTHING', [workflow]);
      // Two servers that publish the same workflow take turns: each sees the version of the other.
      await client.query('SELECT 1 FROM nflow.workflows WHERE name = $1 FOR UPDATE', [workflow]);
      const { rows: current } = await client.query<VersionRow>(
        `SELECT ${columns} FROM nflow.workflows w JOIN nflow.workflow_versions v ON v.id = w.published_version_id WHERE w.name = $1`,
        [workflow],
      );
      const published = current[0];
      if (published !== undefined && published.definition === definitionText) {
        return { version: versionOf(published), changed: false };
      }
      const { rows } = await client.query<VersionRow>(
        `WITH w AS (SELECT id, name FROM nflow.workflows WHERE name = $1),
         v AS (
           INSERT INTO nflow.workflow_versions (workflow_id, version, definition)
           SELECT w.id, 1 + coalesce((SELECT max(version) FROM nflow.workflow_versions WHERE workflow_id = w.id), 0), $2 FROM w
           RETURNING *),
         moved AS (UPDATE nflow.workflows SET published_version_id = v.id FROM v WHERE nflow.workflows.id = v.workflow_id)
         SELECT ${columns} FROM v JOIN w ON w.id = v.workflow_id`,
        [workflow, definitionText],
      );
      return { version: versionOf(rows[0] as VersionRow), changed: true };
    });
  }

  async published(): Promise<PublishedVersion[]> {
    const rows = await this.#pool.query<VersionRow>(
      `SELECT ${columns} FROM nflow.workflows w JOIN nflow.workflow_versions v ON v.id = w.published_version_id ORDER BY w.name`,
    );
    return rows.map(versionOf);
  }

  async version(versionId: number): Promise<PublishedVersion | null> {
    const rows = await this.#pool.query<VersionRow>(
      `SELECT ${columns} FROM nflow.workflow_versions v JOIN nflow.workflows w ON w.id = v.workflow_id WHERE v.id = $1`,
      [versionId],
    );
    return rows[0] === undefined ? null : versionOf(rows[0]);
  }
}

function versionOf(row: VersionRow): PublishedVersion {
  return {
    versionId: row.id,
    workflow: row.workflow,
    version: row.version,
    definitionText: row.definition,
    publishedAt: row.published_at,
  };
}
