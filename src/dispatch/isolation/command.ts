import { existsSync } from 'node:fs';
import { nodeInOwnRoot, ownRootDir, ownRootScript, setprivInOwnRoot } from './own-root.ts';
import { hasNamespaces, type IsolationPlan, type RunnerLimits } from './plan.ts';
import type { RunnerFiles } from './runner-files.ts';
import type { ToolPaths } from './tools.ts';

export interface Command {
  file: string;
  args: string[];
}

export interface CommandInput {
  plan: IsolationPlan;
  tools: ToolPaths;
  files: RunnerFiles;
  limits: RunnerLimits;
  /** What Node is given: its options, the script, the script's arguments. */
  nodeArguments: string[];
}

/** The whole environment of a runner. Nothing of ours reaches a process that runs strangers' code; the guest's time zone is UTC. */
export const runnerEnvironment: Readonly<Record<string, string>> = {
  TZ: 'UTC',
  // Else the loader of isolated-vm looks for a file in /etc to choose the right binary.
  LIBC: existsSync('/etc/alpine-release') ? 'musl' : 'glibc',
};

/**
 * The command line that starts Node behind the layers of the plan. Each program does its part and becomes the next one, so that one
 * process is left, and `unshare` beside it, which holds the pid namespace:
 *
 *   unshare (namespaces) ─fork─► sh (limits, file system) → chroot → setpriv (privileges) → node
 */
export function isolatedCommand({ plan, tools, files, limits, nodeArguments }: CommandInput): Command {
  let command = [plan.mount ? nodeInOwnRoot : process.execPath, ...nodeArguments];
  if (plan.privileges) {
    const setpriv = plan.mount ? setprivInOwnRoot : (tools.setpriv as string);
    command = [setpriv, '--no-new-privs', '--inh-caps=-all', ...boundingOptions(plan), ...command];
  }
  if (plan.mount) command = [tools.chroot as string, ownRootDir, ...command];
  const script = [
    ...(plan.limits ? limitScript(limits) : []),
    ...(plan.mount ? ownRootScript(files, tools.mount as string) : []),
  ];
  if (script.length > 0) {
    script.push(plan.mount ? 'exec "$@" < /dev/null' : 'exec "$@"');
    command = [tools.sh as string, '-c', script.join('\n'), 'nflow-runner', ...command];
  }
  const namespaces = namespaceOptions(plan);
  if (namespaces.length > 0) command = [tools.unshare as string, ...namespaces, '--', ...command];
  const [file, ...args] = command;
  return { file: file as string, args };
}

/** The capabilities that a program may ever have. A plain user has none, and may not say so. */
function boundingOptions(plan: IsolationPlan): string[] {
  // What is kept is needed to change the user, and is gone with the change.
  if (plan.ownUser) return ['--bounding-set=-all,+setuid,+setgid'];
  return process.geteuid?.() === 0 || (plan.userNamespace && hasNamespaces(plan)) ? ['--bounding-set=-all'] : [];
}

export function permissionOptions({ entry, folders, packageFolder }: RunnerFiles): string[] {
  const readable = new Set([entry, `${packageFolder}/package.json`, ...folders.flatMap(({ from, at }) => [from, at])]);
  return ['--permission', '--allow-addons', ...[...readable].map((path) => `--allow-fs-read=${path}`)];
}

function namespaceOptions(plan: IsolationPlan): string[] {
  const options: string[] = [];
  // The child ends with its holder, until it changes its user; from then on whoever ends the holder ends both.
  if (plan.pid) options.push('--pid', '--fork', '--kill-child=SIGKILL');
  if (plan.net) options.push('--net');
  if (plan.ipc) options.push('--ipc');
  if (plan.mount) options.push('--mount');
  if (plan.userNamespace && hasNamespaces(plan)) options.unshift('--user', '--map-root-user');
  return options;
}

function limitScript({ openFiles, threads, fileBytes }: RunnerLimits): string[] {
  const lines = [
    'ulimit -c 0 || exit',
    `ulimit -n ${openFiles} || exit`,
    `ulimit -f ${Math.ceil(fileBytes / 512)} || exit`,
  ];
  // Shells do not agree on its letter.
  if (threads !== null) lines.push(`ulimit -u ${threads} 2> /dev/null || ulimit -p ${threads} || exit`);
  return lines;
}
