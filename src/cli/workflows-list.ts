import type { TriggerView, WorkflowSummaryView, WorkflowView } from '../server/api/schemas/workflow-schemas.ts';
import type { ServerApi } from './server-api.ts';
import { colors, formatFields, formatTable, formatTime, oneLine, writeJson, writeLine } from './terminal.ts';

export interface PageOptions {
  limit: number;
  cursor?: string;
  json?: true;
}

interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

const descriptionWidth = 80;

export async function listWorkflows(
  api: ServerApi,
  { text, state, limit, cursor, json }: PageOptions & { text?: string; state?: string },
): Promise<void> {
  const query = { text, state, limit: String(limit), cursor };
  const page = (await api.get('/workflows', query)) as Page<WorkflowSummaryView>;
  if (json) writeJson(page);
  else writePage(page, workflowColumns, workflowRow, 'No workflows.');
}

export async function listVersions(api: ServerApi, name: string, { limit, cursor, json }: PageOptions): Promise<void> {
  const query = { limit: String(limit), cursor };
  const page = (await api.get(`/workflows/${encodeURIComponent(name)}/versions`, query)) as Page<VersionView>;
  if (json) writeJson(page);
  else writePage(page, versionColumns, versionRow, 'No versions.');
}

function writePage<Item>(
  { items, nextCursor }: Page<Item>,
  columns: Parameters<typeof formatTable>[0],
  rowOf: (item: Item) => string[],
  whenEmpty: string,
): void {
  writeLine(items.length === 0 ? whenEmpty : formatTable(columns, items.map(rowOf)));
  if (nextCursor !== null) writeLine(colors.dim(`\nThere are more: --cursor ${nextCursor}`));
}

const workflowColumns = [
  { title: 'workflow', canShrink: true },
  { title: 'version', align: 'right' },
  { title: 'state' },
  { title: 'published' },
  { title: 'started by', canShrink: true },
] as const;

function workflowRow({ name, version, state, publishedAt, triggers }: WorkflowSummaryView): string[] {
  return [
    name,
    version === null ? '' : String(version),
    state === 'published' ? colors.green(state) : colors.yellow(state),
    publishedAt === null ? '' : formatTime(new Date(publishedAt)),
    formatTriggers(triggers),
  ];
}

function formatTriggers(triggers: readonly TriggerView[]): string {
  return triggers
    .map((trigger) => (trigger.type === 'http' ? `${trigger.method} ${trigger.path}` : trigger.type))
    .join(', ');
}

type VersionView = WorkflowView['versions'][number];

const versionColumns = [{ title: 'version', align: 'right' }, { title: 'published' }, { title: '' }] as const;

function versionRow({ version, publishedAt, isPublished }: VersionView): string[] {
  return [String(version), formatTime(new Date(publishedAt)), isPublished ? colors.green('answers now') : ''];
}

export async function showWorkflow(api: ServerApi, name: string, asJson: boolean): Promise<void> {
  const workflow = (await api.get(`/workflows/${encodeURIComponent(name)}`)) as WorkflowView;
  if (asJson) writeJson(workflow);
  else writeLine(formatWorkflow(workflow));
}

function formatWorkflow(workflow: WorkflowView): string {
  const { name, version, state, description, durability, triggers, uses, origin, versions, draftUpdatedAt } = workflow;
  const fields: [string, string | null][] = [
    ['state', state],
    ['description', description === null || description === '' ? null : oneLine(description, descriptionWidth)],
    ['durability', durability],
    ['started by', triggers.length === 0 ? null : formatTriggers(triggers)],
    ['nodes', uses === null ? null : uses.nodeTypes.join(', ')],
    ['effects', uses === null ? null : uses.effects.join(', ') || 'none'],
    ['from', origin],
    ['draft', draftUpdatedAt === null ? null : formatTime(new Date(draftUpdatedAt))],
  ];
  const known = fields.filter((field): field is [string, string] => field[1] !== null);
  const title = `${colors.bold(name)}${version === null ? '' : colors.dim(` version ${version}`)}`;
  const sections = [title, formatFields(known)];
  if (versions.length > 0) {
    sections.push(`${colors.bold('Versions')}\n${formatTable(versionColumns, versions.map(versionRow), '  ')}`);
  }
  return sections.join('\n\n');
}
