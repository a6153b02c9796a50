/** How `nflow dev` looks. */
import type { Answer, ExecutionRequest } from '../engine/port.ts';
import type { ExecutionView } from '../server/api/schemas/execution-schemas.ts';
import { shortId } from './execution-style.ts';
import { formatSteps } from './executions-show.ts';
import { colors, formatMilliseconds, oneLine, withoutControls } from './terminal.ts';

/** By the name of a node: where its code is. With `isWholeFile` its lines are those of the file, else those of the text in it. */
export type NodeFiles = ReadonlyMap<string, { file: string; isWholeFile: boolean }>;

export interface DevExecution {
  request: ExecutionRequest;
  answer: Answer;
  durationMs: number;
  /** From the history, of one that failed; null when it has none. */
  execution: ExecutionView | null;
  files: NodeFiles;
}

const pathWidth = 60;

/** `12:04:31  POST /api/orders/total  200  1.2 ms  order-total a1b2c3d4`, and below it why it failed. */
export function formatDevExecution({ request, answer, durationMs, execution, files }: DevExecution): string {
  const { status, executionId, error } = answer;
  const parts = [
    colors.dim(new Date().toTimeString().slice(0, 8)),
    whatOf(request),
    paintHttpStatus(status),
    formatMilliseconds(durationMs),
    colors.dim(request.workflow.compiled.name),
    executionId === null ? '' : colors.dim(shortId(executionId)),
  ];
  const lines = [parts.filter((part) => part !== '').join('  ')];
  if (error !== null) {
    const { node, line, column } = error.details;
    const place = placeOf(files, node, line, column);
    lines.push(`  ${colors.red(error.code)} ${withoutControls(error.message)}`);
    if (place !== '') lines.push(`  at ${colors.bold(place)}${node === undefined ? '' : colors.dim(`  node ${node}`)}`);
    lines.push(...stackLines(execution, files).map((text) => colors.dim(text)));
    if (execution !== null && execution.steps.length > 1) lines.push(formatSteps(execution.steps));
  }
  return lines.join('\n');
}

function whatOf({ inputJson, workflow }: ExecutionRequest): string {
  try {
    const { method, path } = JSON.parse(inputJson) as { method?: unknown; path?: unknown };
    if (typeof method === 'string' && typeof path === 'string') return oneLine(`${method} ${path}`, pathWidth);
  } catch {
    // It is refused as what it is; here it has no name.
  }
  return `run ${workflow.compiled.name}`;
}

function paintHttpStatus(status: number): string {
  const paint = status >= 500 ? colors.red : status >= 400 ? colors.yellow : colors.green;
  return paint(String(status));
}

/** `price.ts:3:7`, or `line 3:7 of the code in orders.workflow.json`. */
function placeOf(
  files: NodeFiles,
  node: string | undefined,
  line: number | undefined,
  column: number | undefined,
): string {
  const found = node === undefined ? undefined : files.get(node);
  if (found === undefined || line === undefined) return found?.file ?? '';
  const inText = column === undefined ? String(line) : `${line}:${column}`;
  return found.isWholeFile ? `${found.file}:${inText}` : `line ${inText} of the code in ${found.file}`;
}

const frameCountMax = 5;

/**
 * The author's frames after the first one, which is the place itself. The guest names a node where a stack names a file. What calls
 * the function of a node is not the author's.
 */
function stackLines(execution: ExecutionView | null, files: NodeFiles): string[] {
  return (execution?.error?.stack ?? '')
    .split('\n')
    .filter((line, at) => line.startsWith('    at ') && (at <= 1 || !line.includes('[as run]')))
    .slice(1, frameCountMax)
    .map((line) =>
      withoutControls(line).replace(/\b(\w+):(\d+):(\d+)/, (text, node: string, at: string, column: string) => {
        const found = files.get(node);
        return found?.isWholeFile === true ? `${found.file}:${at}:${column}` : text;
      }),
    );
}

export interface Reload {
  published: { name: string; version: number }[];
  removed: readonly string[];
  /** Findings, written for a terminal. */
  mistakes: string;
  hadMistakes: boolean;
}

/** What a save has done; '' when it changed nothing. */
export function formatReload({ published, removed, mistakes, hadMistakes }: Reload): string {
  const lines = [
    ...published.map(({ name, version }) => `${colors.green('✔')} ${name} ${colors.dim(`version ${version}`)}`),
    ...removed.map((name) => `${colors.yellow('−')} ${name} ${colors.dim('removed: its file is gone')}`),
  ];
  if (mistakes !== '') lines.push(mistakes.trimEnd(), colors.dim('The last good version stays.'));
  else if (hadMistakes && lines.length === 0) lines.push(`${colors.green('✔')} corrected, and nothing else changed`);
  return lines.join('\n');
}
