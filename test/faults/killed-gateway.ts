/** One kill of a gateway, with a look at what it left before the next one starts. */
import assert from 'node:assert/strict';
import { isProcessAlive } from '../../src/store/embedded/process-identity.ts';
import { until } from '../support/condition.ts';
import type { NflowServer } from '../support/nflow-server.ts';
import type { CrashJudge } from './crash-judge.ts';
import { countUnfinished } from './database.ts';

const deathTimeoutMs = 30_000;
const recoveryTimeoutMs = 60_000;

/** `kill` has the gateway die; resolves when its successor takes traffic. */
export async function killGateway(
  server: NflowServer,
  judge: CrashJudge,
  kill: (pid: number) => void | Promise<void>,
): Promise<void> {
  const pid = server.gatewayPid();
  assert.notEqual(pid, 0, 'there is no gateway to kill');
  const held = server.holdRestarts();
  try {
    await kill(pid);
    await until('the gateway to be dead', () => !isProcessAlive(pid), deathTimeoutMs);
    await judge.onDeath(server.dsn);
  } finally {
    held.go();
  }
  await until('the next gateway to be ready', () => isReady(server), recoveryTimeoutMs);
  assert.notEqual(server.gatewayPid(), pid);
}

export async function isReady(server: NflowServer): Promise<boolean> {
  try {
    const response = await fetch(`${server.address}/ready`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(recoveryTimeoutMs),
    });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

export async function untilAllIsOver(dsn: string): Promise<void> {
  await until('every execution to be over', async () => (await countUnfinished(dsn)) === 0, recoveryTimeoutMs);
}
