/** What a server holds, seen from outside: what abuse must not leave behind. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../support/condition.ts';
import type { NflowServer } from '../support/nflow-server.ts';

/** What a runner takes to start on a busy machine, and the pause before the next one. */
const runnerStartMs = 1_500;

export interface ServerState {
  gatewayPid: number;
  runnerPids: number[];
  /** Open files of the gateway, by what they are: `socket`, `pipe`, a path. */
  descriptors: Record<string, number>;
  /** VMs that execute or hold an unfinished run. */
  vmsInUse: number;
  residentMiB: number;
}

export async function readState(server: NflowServer): Promise<ServerState> {
  const gatewayPid = server.gatewayPid();
  // First: the request for it opens a connection, which is closed again before the count.
  const metrics = await readMetrics(server);
  return {
    gatewayPid,
    runnerPids: server.runnerPids(),
    descriptors: countDescriptors(gatewayPid),
    vmsInUse: Number(/^nflow_vm_pool_in_use(?:\{[^}]*\})? (\d+)/m.exec(metrics)?.[1] ?? 0),
    residentMiB: Math.round(
      Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${gatewayPid}/status`, 'utf8'))?.[1]) / 1024,
    ),
  };
}

/** As `readState`, once no further runner is being started: the spare and the slow ones come after the server is ready. */
export async function readSettledState(server: NflowServer): Promise<ServerState> {
  let before = await readState(server);
  await until(
    'no runner is being started',
    async () => {
      await delay(runnerStartMs);
      const now = await readState(server);
      const isSettled = String(now.runnerPids) === String(before.runnerPids) && now.vmsInUse === 0;
      before = now;
      return isSettled;
    },
    60_000,
  );
  return before;
}

export async function readMetrics(server: NflowServer): Promise<string> {
  const answer = await fetch(`${server.address}/metrics`, { headers: { connection: 'close' } });
  return answer.text();
}

function countDescriptors(pid: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    let name: string;
    try {
      name = readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/:\[\d+\]$|-\d+-[0-9a-f]{12} \(deleted\)$/, '');
    } catch {
      continue;
    }
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** Waits until the server holds no more than `before`: same processes, no descriptor more, no run. */
export async function untilBackTo(before: ServerState, server: NflowServer): Promise<ServerState> {
  let now = before;
  const isBack = async (): Promise<boolean> => {
    now = await readState(server);
    return (
      now.vmsInUse === 0 &&
      now.gatewayPid === before.gatewayPid &&
      String(now.runnerPids) === String(before.runnerPids) &&
      Object.entries(now.descriptors).every(([name, count]) => count <= (before.descriptors[name] ?? 0))
    );
  };
  await until('the server is back at what it held', isBack, 30_000).catch((error: Error) => {
    throw new Error(`${error.message}\nbefore: ${JSON.stringify(before)}\nnow:    ${JSON.stringify(now)}`);
  });
  return now;
}
