import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** Where systems keep them. A runner gets no PATH, and ours is not asked: it may name folders that others can write. */
const folders = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/run/current-system/sw/bin'];

/** The programs of the system that put a runner behind walls: all of util-linux but `sh` and `chroot`. */
export type Tool = 'unshare' | 'setpriv' | 'mount' | 'chroot' | 'sh';

export type ToolPaths = Readonly<Record<Tool, string | null>>;

export function findTools(): ToolPaths {
  return {
    unshare: findTool('unshare'),
    setpriv: findTool('setpriv'),
    mount: findTool('mount'),
    chroot: findTool('chroot'),
    sh: findTool('sh'),
  };
}

function findTool(name: Tool): string | null {
  for (const folder of folders) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Looked for in the next one.
    }
  }
  return null;
}
