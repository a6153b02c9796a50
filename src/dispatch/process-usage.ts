import { readFileSync } from 'node:fs';

/** What Linux tells about a process; null where there is no /proc, or when the process is gone. */

/** CPU time of the main thread in milliseconds. `schedstat` counts nanoseconds; `stat` has ticks of 10 ms. */
export function readThreadCpuMs(pid: number): number | null {
  const text = readProc(`/proc/${pid}/task/${pid}/schedstat`);
  return text === null ? null : Number(text.split(' ', 1)[0]) / 1e6;
}

/** Resident memory in MiB. */
export function readResidentMiB(pid: number): number | null {
  const text = readProc(`/proc/${pid}/statm`);
  return text === null ? null : (Number(text.split(' ')[1]) * pageSize) / (1024 * 1024);
}

// Node has no sysconf; every platform that nFlow is pinned for and that has /proc uses 4 KiB pages, but arm64 kernels may not. The
// watch is a guard against gigabytes, and a larger page only makes it later.
const pageSize = 4096;

function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}
