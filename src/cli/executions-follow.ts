import type { ExecutionEventView } from '../server/api/schemas/execution-schemas.ts';
import { formatPlace } from './error-report.ts';
import { paintStatus, shortId } from './execution-style.ts';
import { CommandFailure } from './failure.ts';
import type { ServerApi } from './server-api.ts';
import { onStopSignals } from './stop-signals.ts';
import { colors, errorColors, formatMilliseconds, formatTime, oneLine, writeLine } from './terminal.ts';

export interface FollowOptions {
  workflow?: string;
  status?: string[];
  json?: true;
}

/** Between attempts to reach a server that went away. */
const retryMs = 2_000;
const messageWidth = 100;

/** Prints executions as they end. A server that goes away is waited for; one that never answered is an error. */
export async function followExecutions(api: ServerApi, options: FollowOptions): Promise<void> {
  const stop = new AbortController();
  onStopSignals(
    () => stop.abort(),
    (exit) => process.exit(exit),
  );
  let hasAnswered = false;
  while (!stop.signal.aborted) {
    try {
      for await (const { name, data } of api.events('/executions/events', queryOf(options), stop.signal)) {
        hasAnswered = true;
        if (name === 'execution') print(data, options.json === true);
        else process.stderr.write(`${errorColors.dim(reasonIn(data))}\n`);
      }
      hasAnswered = true;
    } catch (error) {
      if (stop.signal.aborted) break;
      const isAway = !(error instanceof CommandFailure) || error.code === 'server_unreachable';
      if (!hasAnswered || !isAway) throw error;
    }
    await pause(stop.signal);
  }
}

function queryOf({ workflow, status }: FollowOptions) {
  return { workflow, status };
}

function reasonIn(data: string): string {
  const { detail } = JSON.parse(data) as { detail?: unknown };
  return typeof detail === 'string' ? oneLine(detail, messageWidth) : 'The stream ended.';
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, retryMs);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

function print(data: string, asJson: boolean): void {
  if (asJson) writeLine(data);
  else {
    const event = JSON.parse(data) as ExecutionEventView;
    if (event.durationMs !== null) writeLine(formatEvent(event));
  }
}

function formatEvent({ id, workflow, version, status, startedAt, durationMs, error }: ExecutionEventView): string {
  const parts = [
    colors.dim(formatTime(new Date(startedAt))),
    colors.cyan(shortId(id)),
    `${workflow} ${colors.dim(`v${version}`)}`,
    paintStatus(status),
    durationMs === null ? '' : formatMilliseconds(durationMs),
  ];
  if (error !== null) {
    const { node, line, column, code, message } = error;
    const place = formatPlace({ node: node ?? undefined, line: line ?? undefined, column: column ?? undefined });
    parts.push(`${colors.red(code)} ${oneLine(message, messageWidth)}`, colors.dim(place));
  }
  return parts.filter((part) => part !== '').join('  ');
}
