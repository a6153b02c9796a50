/** How executions are named and coloured on the terminal. */
import { colors } from './terminal.ts';

export const shortIdLength = 8;

/** What names an execution on a terminal: `executions show` takes it. */
export function shortId(id: string): string {
  return id.slice(-shortIdLength);
}

const statusColors: Readonly<Record<string, (text: string) => string>> = {
  succeeded: colors.green,
  running: colors.cyan,
  waiting: colors.yellow,
  cancelled: colors.yellow,
  failed: colors.red,
  timed_out: colors.red,
  crashed: colors.red,
};

export function paintStatus(status: string): string {
  return (statusColors[status] ?? String)(status);
}
