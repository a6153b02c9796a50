/** Node, the machine, and what the shell allows. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { machineMemoryBytes } from '../../store/embedded/settings.ts';
import { type Check, check } from './check.ts';

const nodeMajorMin = 26;
/** Below this a server runs out of descriptors under load: sockets of clients, of effects and of the database. */
const openFilesMin = 4096;
const mebibyte = 1024 * 1024;

export function checkRuntime(): Check[] {
  return [checkNode(), checkOpenFiles(), checkMachine()];
}

function checkNode(): Check {
  const { node, v8 } = process.versions;
  const isNewEnough = Number.parseInt(node, 10) >= nodeMajorMin;
  return check(
    'runtime',
    'node',
    isNewEnough ? 'ok' : 'failed',
    `${node}, V8 ${v8}, ${process.platform}-${process.arch}, at ${process.execPath}`,
    isNewEnough ? null : `Run it with Node ${nodeMajorMin} or newer.`,
  );
}

function checkOpenFiles(): Check {
  const limit = readOpenFilesMax();
  if (limit === null) return check('runtime', 'open files', 'ok', 'this system does not tell its limit');
  const isEnough = limit >= openFilesMin;
  return check(
    'runtime',
    'open files',
    isEnough ? 'ok' : 'warning',
    `ulimit -n is ${limit}`,
    isEnough
      ? null
      : `Raise it to ${openFilesMin} or more (ulimit -n, LimitNOFILE of a systemd unit): it bounds how many clients are served at one time.`,
  );
}

/** Node raises the soft limit to the hard one when it starts. */
function readOpenFilesMax(): number | null {
  try {
    const soft = /^Max open files\s+(\w+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return soft === undefined ? null : soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft);
  } catch {
    return null;
  }
}

function checkMachine(): Check {
  const memoryMiB = Math.floor(machineMemoryBytes() / mebibyte);
  return check('runtime', 'machine', 'ok', `${availableParallelism()} cores, ${memoryMiB} MiB of memory`);
}
