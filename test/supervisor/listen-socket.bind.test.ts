import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { bindListenSocket } from '../../src/supervisor/listen-socket.ts';

async function listenSomewhere(): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as { port: number }).port };
}

test('a taken port is refused by name', async (t) => {
  const { server, port } = await listenSomewhere();
  t.after(() => server.close());
  await assert.rejects(bindListenSocket('127.0.0.1', port), (error: { code: string; message: string }) => {
    assert.equal(error.code, 'conflict');
    assert.match(error.message, new RegExp(`Port ${port} on 127\\.0\\.0\\.1 is taken`));
    return true;
  });
});

test('an address of another machine is refused', async () => {
  await assert.rejects(bindListenSocket('192.0.2.1', 0), {
    code: 'invalid_config',
    message: /192\.0\.2\.1:0 \(EADDRNOTAVAIL\)/,
  });
});

test('a name that does not resolve is refused', async () => {
  await assert.rejects(bindListenSocket('no-such-host.invalid', 0), {
    code: 'invalid_config',
    message: /no-such-host\.invalid/,
  });
});

test('port 0 binds a free port and tells it', async () => {
  const socket = await bindListenSocket('localhost', 0);
  assert.ok(socket.port > 0);
  socket.close();
});

test('a bound socket refuses connections until somebody listens on it', async () => {
  const socket = await bindListenSocket('127.0.0.1', 0);
  await assert.rejects(fetch(`http://127.0.0.1:${socket.port}/`), (error: { cause: { code: string } }) => {
    assert.equal(error.cause.code, 'ECONNREFUSED');
    return true;
  });
  socket.close();
});
