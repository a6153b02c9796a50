import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { signalProcess } from '../../src/store/embedded/process-identity.ts';
import { until } from '../support/condition.ts';
import { startNflowServer } from '../support/nflow-server.ts';

const echo = {
  format: 1,
  name: 'echo',
  triggers: [{ type: 'http', method: 'GET', path: '/echo' }],
  durability: 'ephemeral',
  nodes: { reply: { type: 'respond', body: { ok: true } } },
};

/** Sockets that the process has open, as `socket:[inode]`. */
function socketsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`)
    .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
    .filter((target) => target.startsWith('socket:'));
}

/** Inode of the socket that listens on a port of this machine. */
function listenerOn(port: number): string {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find((row) => row.includes(`:${hexPort} 00000000:0000 0A`));
  return `socket:[${line?.trim().split(/\s+/)[9]}]`;
}

test('beside workflows that everybody reaches, administration has a port and a token, also after its gateway was killed', async (t) => {
  const server = await startNflowServer(t, {
    workflows: { echo },
    egressAllow: [],
    env: { NFLOW_SERVER__HOST: '0.0.0.0', NFLOW_ADMIN__LISTEN: '127.0.0.1:0' },
  });
  const shown = /admin\s+(http:\/\/127\.0\.0\.1:(\d+)) with the token in (\S+)/.exec(server.output());
  assert.ok(shown !== null, server.output());
  const [, admin = '', port = '', tokenFile = ''] = shown;
  assert.equal(tokenFile, join(server.folder, 'data', 'admin-token'));
  assert.equal(statSync(tokenFile).mode & 0o777, 0o600);
  const headers = { authorization: `Bearer ${readFileSync(tokenFile, 'utf8').trim()}` };
  // On a connection of its own: a kept one would end with the gateway that is killed below.
  const statusOf = async (url: string, init?: RequestInit): Promise<number> =>
    (await fetch(url, { headers: { ...init?.headers, connection: 'close' } })).status;

  const list = '/nflow/api/v1/workflows';
  assert.equal(await statusOf(server.address + list, { headers }), 404, 'not on the main port');
  assert.equal(await statusOf(`${server.address}/metrics`, { headers }), 404);
  assert.equal(await statusOf(`${server.address}/ready`), 200);
  assert.equal(await statusOf(admin + list), 401);
  assert.equal(await statusOf(admin + list, { headers }), 200);
  assert.equal(await statusOf(`${admin}/ready`), 200);
  assert.equal(await statusOf(`${admin}/echo`, { headers }), 404, 'no workflows there');

  const listeners = [listenerOn(Number(port)), listenerOn(Number(new URL(server.address).port))];
  for (const listener of listeners) assert.ok(socketsOf(server.gatewayPid()).includes(listener), 'it was handed down');
  for (const pid of server.runnerPids()) {
    assert.deepEqual(
      socketsOf(pid).filter((socket) => listeners.includes(socket)),
      [],
      'and no further',
    );
  }

  const killed = server.gatewayPid();
  signalProcess(killed, 'SIGKILL');
  // The supervisor holds the socket: the successor answers what comes meanwhile.
  assert.equal(await statusOf(admin + list, { headers }), 200);
  await until('another gateway', () => ![0, killed].includes(server.gatewayPid()));
  await server.stop();
});
