/** What this machine can give, found by trying: whether a namespace may be made depends on kernel, container and security modules. */
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { type IsolationLayer, isIsolationLayer, isolationLayers } from '../../config/isolation-layers.ts';
import { type Command, isolatedCommand, runnerEnvironment } from './command.ts';
import { openMountTable } from './mount-table-file.ts';
import { type IsolationPlan, isOn, type LayerState } from './plan.ts';
import { findRunnerFiles, type RunnerFiles } from './runner-files.ts';
import { runnerLimits } from './runner-limits.ts';
import { findTools, type Tool, type ToolPaths } from './tools.ts';
import { userRange } from './user-range.ts';

type Namespace = 'pid' | 'net' | 'ipc' | 'mount';
const namespaces: readonly Namespace[] = ['pid', 'net', 'ipc', 'mount'];

const toolsOf: Readonly<Record<Exclude<IsolationLayer, 'user' | 'permissions'>, readonly Tool[]>> = {
  privileges: ['setpriv'],
  pid: ['unshare'],
  net: ['unshare'],
  ipc: ['unshare'],
  mount: ['unshare', 'sh', 'mount', 'chroot'],
  limits: ['sh'],
};

/** A thousand times what it takes: a machine that is only slow at this moment must not lose a layer for as long as the server runs. */
const probeTimeoutMs = 30_000;

export interface Isolation {
  plan: IsolationPlan;
  tools: ToolPaths;
  files: RunnerFiles;
}

/**
 * The strongest plan that works here. All layers are tried at once, by starting Node behind them, which takes some 30 ms; only
 * when that fails are they tried one by one, to tell which is missing and why.
 */
export async function chooseIsolation(omit: readonly string[] = []): Promise<Isolation> {
  const tools = findTools();
  const files = findRunnerFiles();
  const off = new Map<IsolationLayer, string>();
  for (const layer of omit) if (isIsolationLayer(layer)) off.set(layer, 'left out by [runners] omit');
  leaveOutTheImpossible(off, tools);
  let plan = planWithout(off);
  let failure = await probe({ plan, tools, files });
  if (failure !== null) {
    await leaveOutTheFailing(off, tools, files);
    plan = planWithout(off);
    failure = await probe({ plan, tools, files });
  }
  if (failure !== null) {
    // Each works alone, and not all together.
    for (const layer of isolationLayers)
      if (layer in toolsOf && !off.has(layer)) off.set(layer, `does not work with the other layers: ${failure}`);
    plan = planWithout(off);
  }
  return { plan, tools, files };
}

/** Every layer of the plan, with how it is done or why it is not. */
export function layerStates(plan: IsolationPlan): LayerState[] {
  return isolationLayers.map((layer) => {
    const reason = plan.off.get(layer);
    return { layer, on: isOn(plan, layer), why: reason ?? howDone(plan, layer) };
  });
}

function howDone(plan: IsolationPlan, layer: IsolationLayer): string {
  switch (layer) {
    case 'user':
      return 'a user for each runner, without a name and used by nobody else';
    case 'privileges':
      return 'setpriv';
    case 'limits':
      return 'ulimit';
    case 'permissions':
      return 'node --permission, all permissions dropped before the first workflow';
    default:
      return plan.userNamespace ? 'unshare, in a user namespace' : 'unshare';
  }
}

function planWithout(off: ReadonlyMap<IsolationLayer, string>): IsolationPlan {
  const isRoot = process.geteuid?.() === 0;
  return {
    ownUser: !off.has('user'),
    userNamespace: !isRoot,
    pid: !off.has('pid'),
    net: !off.has('net'),
    ipc: !off.has('ipc'),
    mount: !off.has('mount'),
    privileges: !off.has('privileges'),
    limits: !off.has('limits'),
    permissions: !off.has('permissions'),
    off,
  };
}

function leaveOutTheImpossible(off: Map<IsolationLayer, string>, tools: ToolPaths): void {
  const leaveOut = (layer: IsolationLayer, why: string): void => {
    if (!off.has(layer)) off.set(layer, why);
  };
  if (process.geteuid?.() !== 0) leaveOut('user', notRootText());
  else {
    const range = userRange();
    if (range === null) leaveOut('user', 'no range of unused users is mapped into this container');
  }
  for (const [layer, needed] of Object.entries(toolsOf) as [keyof typeof toolsOf, readonly Tool[]][]) {
    if (process.platform !== 'linux') leaveOut(layer, `only on Linux; this is ${process.platform}`);
    const missing = needed.filter((tool) => tools[tool] === null);
    if (missing.length > 0) leaveOut(layer, `${missing.join(', ')} is not installed (package util-linux)`);
  }
}

function notRootText(): string {
  return process.platform === 'win32'
    ? 'runners share your account: there is no other way on Windows'
    : 'runners share your account: only a server that is started by root can give them one of their own';
}

/** Tries each layer that is still on by itself. */
async function leaveOutTheFailing(
  off: Map<IsolationLayer, string>,
  tools: ToolPaths,
  files: RunnerFiles,
): Promise<void> {
  const tried = [...namespaces, 'privileges', 'limits'] as const;
  const nothing = new Map(isolationLayers.map((layer) => [layer, 'not tried']));
  const failures = await Promise.all(
    tried.map(async (layer) => {
      if (off.has(layer)) return null;
      const others = new Map(nothing);
      others.delete(layer);
      return probe({ plan: planWithout(others), tools, files });
    }),
  );
  for (const [index, layer] of tried.entries()) {
    const failure = failures[index] ?? null;
    if (failure !== null) off.set(layer, failure);
  }
}

/** Starts Node as the plan says, to print its version. Null when that works, else the first thing that was said. */
function probe({ plan, tools, files }: Isolation): Promise<string | null> {
  const limits = runnerLimits(plan);
  const command = isolatedCommand({ plan, tools, files, limits, nodeArguments: ['--version'] });
  const tableFd = plan.mount ? openMountTable(files, tools) : null;
  return new Promise<string | null>((resolve) => run(command, tableFd, resolve)).finally(() => {
    if (tableFd !== null) closeSync(tableFd);
  });
}

function run({ file, args }: Command, stdin: number | null, resolve: (failure: string | null) => void): void {
  const child = spawn(file, args, {
    stdio: [stdin ?? 'ignore', 'pipe', 'pipe'],
    cwd: '/',
    env: runnerEnvironment,
    timeout: probeTimeoutMs,
    killSignal: 'SIGKILL',
  });
  let said = '';
  let version = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    version += text;
  });
  child.once('error', (error) => resolve(error.message));
  child.once('close', (code, signal) => {
    if (code === 0 && version.startsWith('v')) resolve(null);
    else resolve(said.trim().split('\n')[0] || `ended with ${signal ?? `exit code ${code}`}`);
  });
}
