import type { ExecutionSummaryView } from '../server/execution-view.ts';
import { paintStatus, shortId } from './execution-style.ts';
import type { ServerApi } from './server-api.ts';
import { colors, formatMilliseconds, formatTable, formatTime, writeJson, writeLine } from './terminal.ts';

export interface ListOptions {
  workflow?: string;
  status?: string;
  limit: number;
  cursor?: string;
  json?: true;
}

interface Page {
  items: ExecutionSummaryView[];
  nextCursor: string | null;
}

export async function listExecutions(api: ServerApi, options: ListOptions): Promise<void> {
  const { workflow, status, limit, cursor } = options;
  const page = (await api.get('/executions', { workflow, status, limit: String(limit), cursor })) as Page;
  if (options.json) {
    writeJson(page);
    return;
  }
  if (page.items.length === 0) {
    writeLine('No executions.');
    return;
  }
  writeLine(formatTable(columns, page.items.map(rowOf)));
  if (page.nextCursor !== null) writeLine(colors.dim(`\nThere are more: --cursor ${page.nextCursor}`));
}

const columns = [
  { title: 'id' },
  { title: 'workflow' },
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
