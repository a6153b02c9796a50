/** What the kernel says of a process: the plan is what was asked for, this is what came of it. Linux only. */
import { readFileSync, readlinkSync } from 'node:fs';
import type { IsolationLayer } from '../../config/isolation-layers.ts';

/** The layers that the process `pid` is seen to have; null where the kernel does not tell, and for one that has ended meanwhile. */
export function inspectIsolation(pid: number): ReadonlySet<IsolationLayer> | null {
  const status = readStatus(pid);
  if (status === null) return null;
  const seen = new Set<IsolationLayer>();
  const see = (layer: IsolationLayer, isSeen: boolean): void => {
    if (isSeen) seen.add(layer);
  };
  const users = [...numbers(status.get('Uid')), ...numbers(status.get('Gid'))];
  const own = [process.getuid?.(), process.geteuid?.(), process.getgid?.(), process.getegid?.(), 0];
  see('user', users.every((id) => !own.includes(id)) && numbers(status.get('Groups')).length === 0);
  const capabilities = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].map((name) => status.get(name) ?? 'unknown');
  see('privileges', status.get('NoNewPrivs') === '1' && capabilities.every((set) => /^0+$/.test(set)));
  for (const [layer, name] of [
    ['pid', 'pid'],
    ['net', 'net'],
    ['ipc', 'ipc'],
    ['mount', 'mnt'],
  ] as const) {
    const theirs = namespaceOf(pid, name);
    see(layer, theirs !== null && theirs !== namespaceOf(process.pid, name));
  }
  see('limits', /^Max core file size\s+0\s+0\s/m.test(readProc(pid, 'limits') ?? ''));
  see('permissions', (readProc(pid, 'cmdline') ?? '').split('\0').includes('--permission'));
  return hasMemory(pid) ? seen : null;
}

/** False for a process that ends: it gives its memory up before its namespaces. */
function hasMemory(pid: number): boolean {
  return readStatus(pid)?.has('VmSize') === true;
}

function readStatus(pid: number): Map<string, string> | null {
  const text = readProc(pid, 'status');
  if (text === null) return null;
  return new Map(
    text.split('\n').map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
}

function numbers(text: string | undefined): number[] {
  return text === undefined || text === '' ? [] : text.split(/\s+/).map(Number);
}

function namespaceOf(pid: number, name: string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/${name}`);
  } catch {
    return null;
  }
}

function readProc(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return null;
  }
}
