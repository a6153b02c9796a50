/**
 * The file system of a runner's own: an empty one in memory, into which only what Node needs is bound, read-only. It is made in the
 * runner's mount namespace, so nobody else sees it and nothing of it is left behind.
 *
 *   /node /setpriv            the two programs
 *   /lib /usr/lib …           the libraries of the system
 *   …/src …/node_modules/…    the runner's code, at the places that it has outside
 */
import { existsSync, realpathSync } from 'node:fs';
import { join, sep } from 'node:path';
import type { RunnerFiles } from './runner-files.ts';
import type { ToolPaths } from './tools.ts';

/** Where it is made: a folder that every Linux has, and that holds nothing which would have to be bound from below it. */
export const ownRootDir = '/sys';
export const nodeInOwnRoot = '/node';
export const setprivInOwnRoot = '/setpriv';

const libraryFolders = ['/lib', '/lib64', '/usr/lib', '/usr/lib64', '/usr/local/lib', '/nix/store', '/gnu/store'];
const bindOptions = 'bind,ro,nosuid,nodev';

/** What `mount --all` reads: a line a mount. One program mounts them all: starting one for each costs more than the mounts. */
export function mountTable(files: RunnerFiles, tools: ToolPaths): string {
  const lines: string[] = [];
  const bound: string[] = [];
  const bind = (from: string, at: string): void => {
    // Already there, below a folder that was bound before.
    if (bound.some((folder) => at === folder || at.startsWith(folder + sep))) return;
    bound.push(at);
    lines.push(`${escapeField(from)} ${escapeField(ownRootDir + at)} none ${bindOptions},X-mount.mkdir 0 0`);
  };
  for (const folder of libraryFolders) if (existsSync(folder)) bind(realpathSync(folder), folder);
  for (const { from, at } of files.folders) bind(from, at);
  // These are files, and the script has made empty ones to bind them over.
  lines.push(`${escapeField(process.execPath)} ${ownRootDir}${nodeInOwnRoot} none ${bindOptions} 0 0`);
  if (tools.setpriv !== null) {
    lines.push(`${escapeField(realpathSync(tools.setpriv))} ${ownRootDir}${setprivInOwnRoot} none ${bindOptions} 0 0`);
  }
  return `${lines.join('\n')}\n`;
}

/** The script's lines that make it; the mount table is on descriptor 0. */
export function ownRootScript(files: RunnerFiles, mount: string): string[] {
  const manifest = join(ownRootDir, files.packageFolder, 'package.json');
  return [
    `${quote(mount)} -t tmpfs -o mode=0755,size=64k,nosuid,nodev nflow ${ownRootDir} || exit`,
    `: > ${ownRootDir}${nodeInOwnRoot}; : > ${ownRootDir}${setprivInOwnRoot}`,
    `${quote(mount)} -a -T /proc/self/fd/0 || exit`,
    // Bound with its folder already where the package lies below one of the libraries.
    `[ -e ${quote(manifest)} ] || printf '{"type":"module"}' > ${quote(manifest)} || exit`,
  ];
}

function escapeField(path: string): string {
  return path.replace(/[\\ \t\n#]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
