import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { type DirectSocket, takeOver } from '../../src/server/direct-socket.ts';

/** A server whose connections are taken over, and one client of it. */
async function connected(): Promise<{
  client: Socket;
  direct: DirectSocket;
  accepted: Socket;
  close(): Promise<void>;
}> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const arrived = once(server, 'connection') as Promise<[Socket]>;
  const taken = arrived.then(([accepted]) => ({ accepted, direct: takeOver(accepted) }));
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  await once(client, 'connect');
  const { accepted, direct } = await taken;
  return {
    client,
    accepted,
    direct,
    async close() {
      client.destroy();
      direct.socket.destroy();
      // It waits for every connection that it counts.
      await new Promise<void>((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));
    },
  };
}

function packets(direct: DirectSocket): { texts: string[]; until(count: number): Promise<void> } {
  const texts: string[] = [];
  let onMore: () => void = () => {};
  direct.onPacket = (packet) => {
    texts.push(packet.toString('latin1'));
    onMore();
  };
  return {
    texts,
    async until(count) {
      while (texts.join('').length < count) await new Promise<void>((resolve) => (onMore = resolve));
    },
  };
}

test('the pinned Node has what taking over needs: packets do not go through the stream', async () => {
  const { client, direct, accepted, close } = await connected();
  assert.notEqual(direct.socket, accepted);
  direct.socket.on('data', () => assert.fail('it came through the stream'));
  const { texts, until } = packets(direct);
  client.write('one');
  await until(3);
  client.write('x'.repeat(300_000));
  await until(300_003);
  assert.equal(texts.join(''), `one${'x'.repeat(300_000)}`);
  const answered = once(client, 'data');
  direct.socket.write('answer');
  assert.equal(String((await answered)[0]), 'answer');
  await close();
});

test('from a hand-over on, what is read goes into the stream, in order, and is kept until somebody reads', async () => {
  const { client, direct, close } = await connected();
  const { until } = packets(direct);
  client.write('a');
  await until(1);
  direct.onPacket = null;
  client.write('b');
  await new Promise((resolve) => setTimeout(resolve, 50));
  client.write('c');
  await new Promise((resolve) => setTimeout(resolve, 50));
  let read = '';
  direct.socket.on('data', (chunk: Buffer) => (read += chunk.toString('latin1')));
  while (read.length < 2) await once(direct.socket, 'data');
  assert.equal(read, 'bc');
  await close();
});

test('a client that ends its side, and one that breaks off, are told of', async () => {
  const ending = await connected();
  packets(ending.direct);
  const ended = once(ending.direct.socket, 'end');
  ending.client.end();
  await ended;
  assert.equal(ending.direct.socket.destroyed, false);
  await ending.close();

  const breaking = await connected();
  packets(breaking.direct);
  breaking.direct.socket.on('error', () => {});
  const closed = new Promise((resolve) => breaking.direct.socket.once('close', resolve));
  breaking.client.resetAndDestroy();
  await closed;
  assert.equal(breaking.direct.socket.destroyed, true);
  await breaking.close();
});

test('a paused socket reads nothing until it is resumed', async () => {
  const { client, direct, close } = await connected();
  const { texts, until } = packets(direct);
  client.write('a');
  await until(1);
  direct.socket.pause();
  client.write('b');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(texts, ['a']);
  direct.socket.resume();
  await until(2);
  await close();
});
