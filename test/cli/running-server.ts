/** A real server, started as a person would, in a folder of its own. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { processStartMark } from '../../src/store/embedded/process-identity.ts';
import { launcher, type Spawned, spawnNode, until } from './spawned.ts';

export interface RunningServer extends Spawned {
  /** Such as `http://127.0.0.1:40123`. */
  address: string;
  /** What it printed when it was ready. */
  banner: string;
}

/** Starts a server on a free port, as the leader of a process group like in a terminal, and waits for its banner. */
export async function startServer(
  test: TestContext,
  cwd: string,
  flags: readonly string[] = [],
): Promise<RunningServer> {
  const spawned = spawnNode(test, [launcher, 'start', '--port', '0', ...flags], { cwd, detached: true });
  let hasEnded = false;
  void spawned.ended.then(() => {
    hasEnded = true;
  });
  await until('the banner', () => hasEnded || spawned.stdout().includes('Ctrl-C'));
  const banner = spawned.stdout();
  const address = /http:\/\/[\d.]+:\d+/.exec(banner)?.[0];
  if (address === undefined) throw new Error(`the server did not start:\n${banner}\n${spawned.stderr()}`);
  return { ...spawned, address, banner };
}

export interface ProcessOfServer {
  pid: number;
  command: string;
  startMark: string;
}

/** The process and all that it started, directly or not, as they are now. Linux only. */
export function processTree(rootPid: number): ProcessOfServer[] {
  const children = Map.groupBy(everyProcess(), ({ parentPid }) => parentPid);
  const found: ProcessOfServer[] = [];
  const visit = (pid: number): void => {
    const startMark = processStartMark(pid);
    if (startMark !== null) found.push({ pid, startMark, command: commandOf(pid) });
    for (const child of children.get(pid) ?? []) visit(child.pid);
  };
  visit(rootPid);
  return found;
}

/** The one whose command line has this text, nearest to the root. */
export function findProcess(tree: readonly ProcessOfServer[], text: string): ProcessOfServer {
  const found = tree.find(({ command }) => command.includes(text));
  if (found === undefined)
    throw new Error(`no process with ${text} in:\n${tree.map(({ command }) => command).join('\n')}`);
  return found;
}

export function survivors(tree: readonly ProcessOfServer[]): string[] {
  return tree
    .filter(({ pid, startMark }) => processStartMark(pid) === startMark)
    .map(({ pid, command }) => `${pid} ${command}`);
}

/** Those that work in the folder or name it, also when they have left the tree; but no runner, which knows nothing of it. Linux only. */
export function processesOn(folder: string): string[] {
  return everyProcess().flatMap(({ pid }) => {
    const command = commandOf(pid);
    return command.includes(folder) || workingFolderOf(pid).startsWith(folder) ? [`${pid} ${command}`] : [];
  });
}

function workingFolderOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

function everyProcess(): { pid: number; parentPid: number }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      return [{ pid: Number(name), parentPid: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) }];
    } catch {
      // It has ended since the folder was read.
      return [];
    }
  });
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
