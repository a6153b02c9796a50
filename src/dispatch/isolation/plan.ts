import type { IsolationLayer } from '../../config/isolation-layers.ts';

/** One layer, for the log, `doctor` and `[runners] require`. */
export interface LayerState {
  layer: IsolationLayer;
  on: boolean;
  /** How it is done, or why it is not. */
  why: string;
}

/**
 * Limits of the kernel for one runner. Each of them is a hard limit: it can only be lowered. Memory is not among them: V8 reserves
 * 512 MiB for the code of each isolate, which the kernel counts like memory in use, so that a limit which lets a pool of VMs live
 * stops nobody. The watchdog bounds memory, by what is resident.
 */
export interface RunnerLimits {
  openFiles: number;
  /** Threads of its user; null where others of the same user would count. */
  threads: number | null;
  /** Bytes of a file that it writes: it announces runs in eight. */
  fileBytes: number;
}

/** How runners are started on this machine. */
export interface IsolationPlan {
  /** A user and group of its own each; needs root. */
  ownUser: boolean;
  /** Namespaces are made within a user namespace, where we are root: without being root outside. */
  userNamespace: boolean;
  pid: boolean;
  net: boolean;
  ipc: boolean;
  mount: boolean;
  privileges: boolean;
  limits: boolean;
  permissions: boolean;
  /** Why a layer is off; those that are on are missing. */
  off: ReadonlyMap<IsolationLayer, string>;
}

export function isOn(plan: IsolationPlan, layer: IsolationLayer): boolean {
  return layer === 'user' ? plan.ownUser : plan[layer];
}

export function hasNamespaces({ pid, net, ipc, mount }: IsolationPlan): boolean {
  return pid || net || ipc || mount;
}

/** Whether the process that is spawned is not the runner but the one that holds its pid namespace. */
export function hasHolder(plan: IsolationPlan): boolean {
  return plan.pid;
}
