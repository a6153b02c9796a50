import { readdirSync, readFileSync } from 'node:fs';
import { runnerAnnounceFd } from '../../protocol/runner-settings.ts';

const closeOnExec = 0o2000000;

/**
 * Descriptors of this process that a child would inherit without being given them: listening sockets that the supervisor handed
 * down, and whatever the shell that started it had left open. Node's own are closed when a program is executed. Those that a runner is
 * given others in place of are not among them.
 */
export function foreignDescriptors(): number[] {
  try {
    return readdirSync('/proc/self/fd')
      .map(Number)
      .filter((fd) => fd > runnerAnnounceFd && isInherited(fd));
  } catch {
    return [];
  }
}

function isInherited(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? '0';
    return (Number.parseInt(flags, 8) & closeOnExec) === 0;
  } catch {
    // The one that listed the folder.
    return false;
  }
}
