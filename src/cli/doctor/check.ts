/**
 * What `doctor` found out about one thing.
 *   ok       as it should be
 *   off      a layer of isolation that this machine does not give; nobody asked for it
 *   warning  works, and somebody should know
 *   failed   the server would not start, or not keep what it promises
 */
export type CheckStatus = 'ok' | 'off' | 'warning' | 'failed';

export interface Check {
  /** `runtime`, `isolation`, `database`, `data`. */
  area: string;
  name: string;
  status: CheckStatus;
  detail: string;
  /** What to do, where something can be done. */
  remedy: string | null;
}

export function check(
  area: string,
  name: string,
  status: CheckStatus,
  detail: string,
  remedy: string | null = null,
): Check {
  return { area, name, status, detail, remedy };
}
