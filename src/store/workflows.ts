/**
 * Workflows, their versions and drafts. Versions are never changed or removed: executions name them.
 *
 * Every publication locks the one row of `nflow.catalog` first. So publications take turns, each is checked against the revision
 * that its maker knew (routes of all workflows must not conflict), and who holds an older revision asks for what came after it.
 */
import { NflowError } from '../errors.ts';
import type { StoreLog } from './log.ts';
import type {
  Catalog,
  CatalogEntry,
  Publication,
  Published,
  PublishedVersion,
  StoredDraft,
  StoredWorkflow,
  VersionSummary,
  WorkflowFilter,
  WorkflowState,
  WorkflowStore,
} from './port.ts';
import type { QueryPool } from './query-pool.ts';

/** Other gateways listen on it. The payload is the revision. */
export const catalogChannel = 'nflow_catalog';

const pageMax = 500;
/** Of one statement: what a connection holds in memory stays bounded, however much is published at once. */
const statementRowsMax = 500;
const statementSizeMax = 8 * 1024 * 1024;
/** Ten thousand workflows take about two seconds. */
const publicationDeadlineMs = 60_000;

interface VersionRow {
  id: number;
  workflow: string;
  version: number;
  definition: string;
  published_at: Date;
  summary: string | null;
}

interface EntryRow extends VersionRow {
  origin: string | null;
}

interface WorkflowRow {
  name: string;
  state: WorkflowState;
  origin: string | null;
  version_count: number;
  version_id: number | null;
  version: number | null;
  published_at: Date | null;
  summary: string | null;
  draft_updated_at: Date | null;
}

const versionColumns = 'v.id, w.name AS workflow, v.version, v.definition, v.published_at, v.summary';
const publishedVersions = 'nflow.workflows w JOIN nflow.workflow_versions v ON v.id = w.published_version_id';

const workflowColumns = `w.name, w.origin, v.id AS version_id, v.version, v.published_at, v.summary, d.updated_at AS draft_updated_at,
  (SELECT count(*)::integer FROM nflow.workflow_versions every WHERE every.workflow_id = w.id) AS version_count`;
const stateColumn = `CASE
    WHEN w.published_version_id IS NOT NULL THEN 'published'
    WHEN w.archived_at IS NOT NULL THEN 'archived'
    WHEN EXISTS (SELECT FROM nflow.workflow_versions any_version WHERE any_version.workflow_id = w.id) THEN 'unpublished'
    ELSE 'draft'
  END`;
const workflowJoins = `nflow.workflows w
  LEFT JOIN nflow.workflow_versions v ON v.id = w.published_version_id
  LEFT JOIN nflow.workflow_drafts d ON d.workflow_id = w.id`;

type Client = Parameters<Parameters<QueryPool['transaction']>[0]>[0];

export class PostgresWorkflowStore implements WorkflowStore {
  readonly #pool: QueryPool;
  readonly #log: StoreLog;
  #onRevision: ((revision: number) => void) | null = null;

  constructor(pool: QueryPool, log: StoreLog) {
    this.#pool = pool;
    this.#log = log;
  }

  onRevision(callback: (revision: number) => void): void {
    this.#onRevision = callback;
  }

  /** The revision was seen, on whatever way. */
  sawRevision(revision: number): void {
    this.#onRevision?.(revision);
  }

  async publish(workflow: string, definitionText: string): Promise<{ version: PublishedVersion; changed: boolean }> {
    const published = await this.publishAll({
      revision: null,
      versions: [{ workflow, definitionText, summaryText: null, origin: null }],
      takenBack: [],
      draftsDone: [],
    });
    // Null is the answer to another revision, and none was asked for.
    const [{ version, changed }] = (published as Published).versions as [Published['versions'][number]];
    const { origin: _origin, ...withoutOrigin } = version;
    return { version: withoutOrigin, changed };
  }

  async publishAll(publication: Publication): Promise<Published | null> {
    const published = await this.#pool.transaction((client) => publish(client, publication), publicationDeadlineMs);
    if (published !== null && published.revision !== publication.revision) this.#tell(published.revision);
    return published;
  }

  /** Outside of the transaction: NOTIFY holds a lock of the whole database until the commit is over. */
  #tell(revision: number): void {
    this.#pool.query('SELECT pg_notify($1, $2)', [catalogChannel, String(revision)]).catch((error: unknown) => {
      this.#log.warn({ reason: String(error) }, 'the other servers learn of a publication a few seconds late');
    });
  }

  async published(): Promise<PublishedVersion[]> {
    const rows = await this.#pool.query<VersionRow>(
      `SELECT ${versionColumns} FROM ${publishedVersions} ORDER BY w.name`,
    );
    return rows.map(versionOf);
  }

  async catalog(): Promise<Catalog> {
    return this.#pool.transaction(async (client) => {
      // Before the workflows: what is published in between is then asked for again, and not missed.
      const revision = await readRevision(client, '');
      const { rows } = await client.query<EntryRow>(
        `SELECT ${versionColumns}, w.origin FROM ${publishedVersions} ORDER BY w.name`,
      );
      return { revision, entries: rows.map(entryOf) };
    }, publicationDeadlineMs);
  }

  async changesSince(revision: number): Promise<Catalog & { takenBack: string[] }> {
    return this.#pool.transaction(async (client) => {
      const current = await readRevision(client, '');
      if (current === revision) return { revision, entries: [], takenBack: [] };
      const { rows } = await client.query<EntryRow>(
        `SELECT ${versionColumns}, w.origin FROM ${publishedVersions} WHERE w.changed_revision > $1 ORDER BY w.name`,
        [revision],
      );
      const { rows: gone } = await client.query<{ name: string }>(
        'SELECT name FROM nflow.workflows WHERE changed_revision > $1 AND published_version_id IS NULL',
        [revision],
      );
      return { revision: current, entries: rows.map(entryOf), takenBack: gone.map(({ name }) => name) };
    }, publicationDeadlineMs);
  }

  async keepSummaries(summaries: { versionId: number; summaryText: string }[]): Promise<void> {
    for (let at = 0; at < summaries.length; at += statementRowsMax) {
      const part = summaries.slice(at, at + statementRowsMax);
      await this.#pool.query(
        `UPDATE nflow.workflow_versions v SET summary = t.summary
         FROM unnest($1::integer[], $2::text[]) AS t (id, summary) WHERE v.id = t.id`,
        [part.map(({ versionId }) => versionId), part.map(({ summaryText }) => summaryText)],
      );
    }
  }

  async version(versionId: number): Promise<PublishedVersion | null> {
    return this.#oneVersion('v.id = $1', [versionId]);
  }

  async versionOf(workflow: string, version: number): Promise<PublishedVersion | null> {
    return this.#oneVersion('w.name = $1 AND v.version = $2', [workflow, version]);
  }

  async #oneVersion(condition: string, values: unknown[]): Promise<PublishedVersion | null> {
    const [row] = await this.#pool.query<VersionRow>(
      `SELECT ${versionColumns} FROM nflow.workflow_versions v JOIN nflow.workflows w ON w.id = v.workflow_id WHERE ${condition}`,
      values,
    );
    return row === undefined ? null : versionOf(row);
  }

  async versions(workflow: string, before: number | null, limit: number): Promise<VersionSummary[]> {
    const rows = await this.#pool.query<{ version: number; published_at: Date; is_published: boolean }>(
      `SELECT v.version, v.published_at, v.id IS NOT DISTINCT FROM w.published_version_id AS is_published
       FROM nflow.workflow_versions v JOIN nflow.workflows w ON w.id = v.workflow_id
       WHERE w.name = $1 AND ($2::integer IS NULL OR v.version < $2) ORDER BY v.version DESC LIMIT $3`,
      [workflow, before, limit],
    );
    return rows.map((row) => ({
      version: row.version,
      publishedAt: row.published_at,
      isPublished: row.is_published,
    }));
  }

  async list(filter: WorkflowFilter): Promise<{ items: StoredWorkflow[]; nextCursor: string | null }> {
    const limit = Math.min(filter.limit, pageMax);
    const values: unknown[] = [limit + 1];
    const conditions = [filter.state === undefined ? "state <> 'archived'" : `state = $${values.push(filter.state)}`];
    if (filter.origin !== undefined) conditions.push(`origin = $${values.push(filter.origin)}`);
    if (filter.text !== undefined) conditions.push(`strpos(name, lower($${values.push(filter.text)})) > 0`);
    const after = filter.cursor === undefined ? '' : `WHERE w.name > $${values.push(parseCursor(filter.cursor))}`;
    const rows = await this.#pool.query<WorkflowRow>(
      `SELECT * FROM (SELECT ${workflowColumns}, ${stateColumn} AS state FROM ${workflowJoins} ${after}) every
       WHERE ${conditions.join(' AND ')} ORDER BY name LIMIT $1`,
      values,
    );
    const items = rows.slice(0, limit).map(workflowOf);
    const last = items.at(-1);
    return { items, nextCursor: rows.length > limit && last !== undefined ? makeCursor(last.workflow) : null };
  }

  async get(workflow: string): Promise<StoredWorkflow | null> {
    const [row] = await this.#pool.query<WorkflowRow>(
      `SELECT ${workflowColumns}, ${stateColumn} AS state FROM ${workflowJoins} WHERE w.name = $1`,
      [workflow],
    );
    return row === undefined ? null : workflowOf(row);
  }

  async draft(workflow: string): Promise<StoredDraft | null> {
    const [row] = await this.#pool.query<{ definition: string; files: string; updated_at: Date }>(
      `SELECT d.definition, d.files, d.updated_at FROM nflow.workflow_drafts d JOIN nflow.workflows w ON w.id = d.workflow_id
       WHERE w.name = $1`,
      [workflow],
    );
    if (row === undefined) return null;
    const files = JSON.parse(row.files) as Record<string, string>;
    return { definitionText: row.definition, files, updatedAt: row.updated_at };
  }

  async putDraft(
    workflow: string,
    definitionText: string,
    files: Record<string, string>,
  ): Promise<{ updatedAt: Date; created: boolean }> {
    return this.#pool.transaction(async (client) => {
      const { rows: made } = await client.query(
        'INSERT INTO nflow.workflows (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING id',
        [workflow],
      );
      await client.query('SELECT FROM nflow.workflows WHERE name = $1 FOR UPDATE', [workflow]);
      // A draft brings an archived workflow back into the lists.
      await client.query('UPDATE nflow.workflows SET archived_at = NULL WHERE name = $1 AND archived_at IS NOT NULL', [
        workflow,
      ]);
      const { rows } = await client.query<{ updated_at: Date }>(
        `INSERT INTO nflow.workflow_drafts (workflow_id, definition, files) SELECT id, $2, $3 FROM nflow.workflows WHERE name = $1
         ON CONFLICT (workflow_id) DO UPDATE SET definition = excluded.definition, files = excluded.files, updated_at = clock_timestamp()
         RETURNING updated_at`,
        [workflow, definitionText, JSON.stringify(files)],
      );
      return { updatedAt: (rows[0] as { updated_at: Date }).updated_at, created: made.length > 0 };
    });
  }

  async deleteDraft(workflow: string): Promise<boolean> {
    return this.#pool.transaction(async (client) => {
      // Locked in the order in which a publication locks.
      await client.query('SELECT FROM nflow.workflows WHERE name = $1 FOR UPDATE', [workflow]);
      const { rowCount } = await client.query(
        'DELETE FROM nflow.workflow_drafts d USING nflow.workflows w WHERE w.id = d.workflow_id AND w.name = $1',
        [workflow],
      );
      await removeEmpty(client, [workflow]);
      return rowCount !== 0;
    });
  }
}

async function publish(client: Client, publication: Publication): Promise<Published | null> {
  const revision = await readRevision(client, 'FOR UPDATE');
  if (publication.revision !== null && publication.revision !== revision) return null;
  const next = revision + 1;
  const versions: Published['versions'] = [];
  let isChanged = false;
  for (const part of inStatements(publication.versions)) {
    const done = await publishPart(client, part, next);
    versions.push(...done.versions);
    isChanged ||= done.isMoved;
  }
  if ((await takeBack(client, publication.takenBack, next)) > 0) isChanged = true;
  if (publication.draftsDone.length > 0) {
    await client.query(
      'DELETE FROM nflow.workflow_drafts d USING nflow.workflows w WHERE w.id = d.workflow_id AND w.name = ANY($1)',
      [publication.draftsDone],
    );
  }
  if (!isChanged) return { revision, versions };
  await client.query('UPDATE nflow.catalog SET revision = $1', [next]);
  return { revision: next, versions };
}

async function readRevision(client: Client, lock: '' | 'FOR UPDATE'): Promise<number> {
  const { rows } = await client.query<{ revision: string }>(`SELECT revision FROM nflow.catalog ${lock}`);
  return Number(rows[0]?.revision);
}

async function publishPart(
  client: Client,
  part: Publication['versions'],
  revision: number,
): Promise<{ versions: Published['versions']; isMoved: boolean }> {
  const names = part.map(({ workflow }) => workflow);
  // The update locks a row that is there already: nobody may remove it before the end of this transaction.
  await client.query(
    'INSERT INTO nflow.workflows (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO UPDATE SET name = excluded.name',
    [names],
  );
  const { rows: moved } = await client.query<{ workflow: string; changed: boolean }>(
    `WITH given AS (
       SELECT w.id, w.published_version_id, g.*,
         (SELECT max(version) FROM nflow.workflow_versions old WHERE old.workflow_id = w.id) AS latest
       FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS g (name, definition, summary, origin)
       JOIN nflow.workflows w ON w.name = g.name),
     -- What a workflow has that is the same: its published version, or after it was taken back its last one.
     same AS (
       SELECT g.id AS workflow_id, v.id FROM given g JOIN nflow.workflow_versions v ON v.workflow_id = g.id
       WHERE v.definition = g.definition AND (v.id = g.published_version_id OR g.published_version_id IS NULL AND v.version = g.latest)),
     made AS (
       INSERT INTO nflow.workflow_versions (workflow_id, version, definition, summary)
       SELECT g.id, 1 + coalesce(g.latest, 0), g.definition, g.summary FROM given g
       WHERE NOT EXISTS (SELECT FROM same WHERE same.workflow_id = g.id)
       RETURNING workflow_id, id)
     UPDATE nflow.workflows w SET
       published_version_id = now.id,
       archived_at = NULL,
       origin = coalesce(g.origin, g.known_origin),
       changed_revision = $5
     FROM (SELECT given.*, known.origin AS known_origin FROM given JOIN nflow.workflows known ON known.id = given.id) g
       JOIN (SELECT * FROM same UNION ALL SELECT * FROM made) now ON now.workflow_id = g.id
     WHERE w.id = g.id
       AND (now.id IS DISTINCT FROM g.published_version_id OR g.known_origin IS DISTINCT FROM coalesce(g.origin, g.known_origin))
     RETURNING g.name AS workflow, now.id IS DISTINCT FROM g.published_version_id AS changed`,
    [
      names,
      part.map(({ definitionText }) => definitionText),
      part.map(({ summaryText }) => summaryText),
      part.map(({ origin }) => origin),
      revision,
    ],
  );
  const { rows } = await client.query<EntryRow>(
    `SELECT ${versionColumns}, w.origin FROM ${publishedVersions} WHERE w.name = ANY($1)`,
    [names],
  );
  const changed = new Set(moved.filter((row) => row.changed).map(({ workflow }) => workflow));
  const byName = new Map(rows.map((row) => [row.workflow, row]));
  return {
    versions: names.map((name) => ({ version: entryOf(byName.get(name) as EntryRow), changed: changed.has(name) })),
    isMoved: moved.length > 0,
  };
}

/** How many answered until now. */
async function takeBack(client: Client, takenBack: Publication['takenBack'], revision: number): Promise<number> {
  if (takenBack.length === 0) return 0;
  const archived = takenBack.filter(({ archive }) => archive).map(({ workflow }) => workflow);
  const { rows } = await client.query<{ was_published: boolean }>(
    `UPDATE nflow.workflows w SET
       published_version_id = NULL,
       archived_at = CASE WHEN w.name = ANY($2) THEN clock_timestamp() ELSE w.archived_at END,
       changed_revision = $3
     FROM (SELECT id, published_version_id IS NOT NULL AS was_published FROM nflow.workflows WHERE name = ANY($1)) before
     WHERE before.id = w.id RETURNING was_published`,
    [takenBack.map(({ workflow }) => workflow), archived, revision],
  );
  await client.query(
    'DELETE FROM nflow.workflow_drafts d USING nflow.workflows w WHERE w.id = d.workflow_id AND w.name = ANY($1)',
    [archived],
  );
  await removeEmpty(client, archived);
  return rows.filter(({ was_published }) => was_published).length;
}

/** What has neither versions nor a draft is nothing. */
async function removeEmpty(client: Client, names: string[]): Promise<void> {
  await client.query(
    `DELETE FROM nflow.workflows w WHERE w.name = ANY($1)
     AND NOT EXISTS (SELECT FROM nflow.workflow_versions v WHERE v.workflow_id = w.id)
     AND NOT EXISTS (SELECT FROM nflow.workflow_drafts d WHERE d.workflow_id = w.id)`,
    [names],
  );
}

/** Parts of at most so many rows and bytes; a row that is larger goes alone. */
function* inStatements(versions: Publication['versions']): Generator<Publication['versions']> {
  let part: Publication['versions'] = [];
  let size = 0;
  for (const version of versions) {
    const { length } = version.definitionText;
    if (part.length > 0 && (part.length === statementRowsMax || size + length > statementSizeMax)) {
      yield part;
      part = [];
      size = 0;
    }
    part.push(version);
    size += length;
  }
  if (part.length > 0) yield part;
}

function versionOf(row: VersionRow): PublishedVersion {
  return {
    versionId: row.id,
    workflow: row.workflow,
    version: row.version,
    definitionText: row.definition,
    publishedAt: row.published_at,
    summaryText: row.summary,
  };
}

function entryOf(row: EntryRow): CatalogEntry {
  return { ...versionOf(row), origin: row.origin };
}

function workflowOf(row: WorkflowRow): StoredWorkflow {
  return {
    workflow: row.name,
    state: row.state,
    origin: row.origin,
    versionCount: row.version_count,
    published:
      row.version_id === null
        ? null
        : {
            versionId: row.version_id,
            version: row.version as number,
            publishedAt: row.published_at as Date,
            summaryText: row.summary,
          },
    draftUpdatedAt: row.draft_updated_at,
  };
}

function makeCursor(name: string): string {
  return Buffer.from(name).toString('base64url');
}

function parseCursor(cursor: string): string {
  const name = Buffer.from(cursor, 'base64url').toString('utf8');
  if (/^[a-z][a-z0-9-]{0,62}$/.test(name) && makeCursor(name) === cursor) return name;
  throw new NflowError('invalid_input', 'The cursor is not one of ours', {
    pointer: '/cursor',
    got: cursor.slice(0, 80),
    expected: 'nextCursor of the page before',
  });
}
