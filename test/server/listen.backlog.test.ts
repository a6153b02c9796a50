import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bindListenSocket } from '../../src/supervisor/listen-socket.ts';
import { startServer } from './server-under-test.ts';

/** Connections that wait to be accepted, at most, as the system has it. */
function backlogOf(port: number): number {
  const { stdout } = spawnSync('ss', ['-Hltn', `sport = :${port}`], { encoding: 'utf8' });
  return Number(stdout.trim().split(/\s+/)[2]);
}

test('a socket that is handed down has as long a queue of connections as one of its own', {
  skip: spawnSync('ss', ['-V']).error === undefined ? false : 'ss is not installed',
}, async () => {
  const expected = Math.min(4096, Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8')));
  await using own = await startServer();
  assert.equal(backlogOf(own.port), expected);
  const socket = await bindListenSocket('127.0.0.1', 0);
  await using given = await startServer({ port: null });
  await given.server.listen({ fd: socket.fd as number });
  assert.equal(backlogOf(socket.port), expected);
  socket.close();
});
