/** What supervisor and gateway tell each other over the IPC channel. JSON, so only plain data. */
import type { Config } from '../config/config.ts';
import type { ErrorCode } from '../errors.ts';

/** The first message to a gateway: all that it needs, so that nothing secret is in its arguments or environment. */
export interface ServeOrder {
  type: 'serve';
  config: Config;
  /** Bound, inherited; null where sockets cannot be inherited: the gateway then binds `[server] host` and `port` itself. */
  listenFd: number | null;
  /** The same for `[admin] listen`. */
  adminFd: number | null;
  dataDir: string;
  /** Folders or files of workflows to publish. */
  workflowPaths: string[];
  /** Whether it publishes them again whenever they change, and prints every execution. */
  dev: boolean;
  dsn: string;
  /** Incarnations whose process the supervisor saw end: their executions may be taken over at once. */
  deadIncarnations: string[];
}

export type ToGateway =
  | ServeOrder
  /** Finish what is in flight, up to `drain_timeout`, and exit. */
  | { type: 'drain' };

/** What became of the workflow files. */
export interface WorkflowReport {
  published: number;
  unchanged: number;
  /** Findings in the files; a workflow with one is not published. */
  mistakeCount: number;
  /** Addresses that answer now, without parameters in their path: for commands to try. */
  routes: { method: string; path: string }[];
  /** The findings, written for a terminal. */
  mistakes: string;
}

/** Why a gateway cannot serve: repeating the start as it is would fail again. */
export interface Refusal {
  code: ErrorCode;
  message: string;
  got?: string;
  expected?: string;
  remedy?: string;
}

export type FromGateway =
  | { type: 'incarnation'; id: string }
  /** What the dead incarnations of the serve order left is owned by this one. */
  | { type: 'tookOver' }
  | { type: 'ready'; report: WorkflowReport }
  | { type: 'refused'; refusal: Refusal };
