import type { ExecutionSummaryView } from '../server/api/schemas/execution-schemas.ts';
import { paintStatus, shortId } from './execution-style.ts';
import type { ServerApi } from './server-api.ts';
import { colors, formatMilliseconds, formatTable, formatTime, writeJson, writeLine } from './terminal.ts';

export interface ListOptions {
  workflow?: string;
  status?: string[];
  /** RFC 3339. */
  since?: string;
  until?: string;
  text?: string;
  limit: number;
  cursor?: string;
  json?: true;
}

interface Page {
  items: ExecutionSummaryView[];
  nextCursor: string | null;
}

/** Of one request. */
const pageMax = 500;
/** A page looks through a bounded number of executions and may hold none: past so many of them the rest is left to the next call. */
const pagesMax = 50;

export async function listExecutions(api: ServerApi, options: ListOptions): Promise<void> {
  const page = await readPages(api, options);
  if (options.json) {
    writeJson(page);
    return;
  }
  if (page.items.length > 0) writeLine(formatTable(columns, page.items.map(rowOf)));
  else writeLine(page.nextCursor === null ? 'No executions.' : 'No executions so far.');
  if (page.nextCursor !== null) writeLine(colors.dim(`\nThere are more: --cursor ${page.nextCursor}`));
}

async function readPages(api: ServerApi, options: ListOptions): Promise<Page> {
  const { workflow, status, since: from, until: to, text, limit } = options;
  const items: ExecutionSummaryView[] = [];
  let cursor = options.cursor;
  for (let page = 0; page < pagesMax; page++) {
    const left = Math.min(pageMax, limit - items.length);
    const query = { workflow, status, from, to, text, limit: String(left), cursor };
    const read = (await api.get('/executions', query)) as Page;
    items.push(...read.items);
    if (read.nextCursor === null) return { items, nextCursor: null };
    cursor = read.nextCursor;
    if (items.length >= limit) break;
  }
  return { items, nextCursor: cursor ?? null };
}

const columns = [
  { title: 'id' },
  { title: 'workflow', canShrink: true },
  { title: 'version', align: 'right' },
  { title: 'status' },
  { title: 'trigger' },
  { title: 'started' },
  { title: 'took', align: 'right' },
] as const;

function rowOf(item: ExecutionSummaryView): string[] {
  return [
    colors.cyan(shortId(item.id)),
    item.workflow,
    String(item.version),
    paintStatus(item.status),
    item.trigger,
    formatTime(new Date(item.startedAt)),
    item.timing === null ? '' : formatMilliseconds(item.timing.totalMs),
  ];
}
