import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { answerOf, contextOf, failureOf, httpEffect, send } from './calls.ts';
import { type RealServer, startHttpServer, startTcpServer, until } from './servers.ts';

/** A server that holds its answers back until `release`. */
async function startHoldingServer(host?: string): Promise<RealServer & { held: ServerResponse[]; release(): void }> {
  const held: ServerResponse[] = [];
  const server = await startHttpServer((_request, response) => held.push(response), host);
  return Object.assign(server, {
    held,
    release: () => {
      for (const response of held.splice(0)) response.end('ok');
    },
  });
}

type Effect = ReturnType<typeof httpEffect>;

async function sendTogether(
  effect: Effect,
  server: Awaited<ReturnType<typeof startHoldingServer>>,
  count: number,
): Promise<void> {
  const results = Array.from({ length: count }, () => send(effect, { url: server.origin }));
  await until(() => server.held.length === count, `${count} requests are there`);
  server.release();
  for (const result of await Promise.all(results)) answerOf(result);
}

test('calls in a row share one connection', async () => {
  await using server = await startHttpServer((_request, response) => response.end('ok'));
  using effect = httpEffect();
  for (let i = 0; i < 10; i++)
    answerOf(await send(effect, { method: i % 2 === 0 ? 'GET' : 'POST', url: server.origin }));
  assert.equal(server.accepted(), 1);
});

test('a connection is not shared while its answer is under way', async () => {
  await using server = await startHoldingServer();
  using effect = httpEffect();
  await sendTogether(effect, server, 5);
  assert.equal(new Set(server.requests.map((request) => request.clientPort)).size, 5);
});

test('of one origin no more than max_idle_conns_per_host are kept, the oldest go', async () => {
  await using server = await startHoldingServer();
  using effect = httpEffect({ maxIdleConnsPerHost: 3 });
  await sendTogether(effect, server, 8);
  await until(() => server.open() === 3, 'three connections are left');
  await sendTogether(effect, server, 3);
  assert.equal(server.accepted(), 8, 'the three were used again');
});

test('over all origins no more than max_idle_conns are kept, the oldest go', async () => {
  await using one = await startHoldingServer();
  await using two = await startHoldingServer('127.0.0.2');
  using effect = httpEffect({ maxIdleConns: 4, maxIdleConnsPerHost: 4 });
  await sendTogether(effect, one, 3);
  await sendTogether(effect, two, 3);
  await until(() => one.open() === 1 && two.open() === 3, 'one of the first origin and three of the second are left');
});

test('with an idle limit of 0 no connection is kept', async () => {
  for (const limits of [{ maxIdleConns: 0 }, { maxIdleConnsPerHost: 0 }]) {
    await using server = await startHttpServer((_request, response) => response.end('ok'));
    using effect = httpEffect(limits);
    answerOf(await send(effect, { url: server.origin }));
    await until(() => server.open() === 0, 'the connection is closed');
  }
});

test('an idle connection is closed after idle_conn_timeout', async () => {
  await using server = await startHttpServer((_request, response) => response.end('ok'));
  using effect = httpEffect({ idleConnTimeoutMs: 50 });
  answerOf(await send(effect, { url: server.origin }));
  await until(() => server.open() === 0, 'the idle connection is closed');
  answerOf(await send(effect, { url: server.origin }));
  assert.equal(server.accepted(), 2);
});

test('a keep-alive time that the server announces is respected', async () => {
  await using server = await startHttpServer((_request, response) =>
    response.writeHead(200, { connection: 'keep-alive', 'keep-alive': 'timeout=1' }).end('ok'),
  );
  using effect = httpEffect();
  answerOf(await send(effect, { url: server.origin }));
  await until(() => server.open() === 0, 'the connection is closed although it may be idle for 90 s');
});

test('no more connections than max_conns_per_host are open, the other calls wait their turn', async () => {
  await using server = await startHoldingServer();
  using effect = httpEffect({ maxConnsPerHost: 2 });
  const results = Array.from({ length: 6 }, (_, i) => send(effect, { url: `${server.origin}/${i}` }));
  for (let round = 0; round < 3; round++) {
    await until(() => server.held.length === 2, 'two requests are there');
    server.release();
  }
  for (const result of await Promise.all(results)) answerOf(result);
  assert.equal(server.accepted(), 2);
  assert.deepEqual(server.requests.map((request) => request.url).sort(), ['/0', '/1', '/2', '/3', '/4', '/5']);
});

test('a call that gives up while it waits for a connection takes no place, and its turn goes to the next', async () => {
  await using server = await startHoldingServer();
  using effect = httpEffect({ maxConnsPerHost: 1 });
  const first = send(effect, { url: `${server.origin}/first` });
  await until(() => server.held.length === 1, 'the first is there');
  const ending = new AbortController();
  const second = send(effect, { url: `${server.origin}/second` }, contextOf(ending.signal));
  const third = send(effect, { url: `${server.origin}/third` });
  const late = failureOf(await send(effect, { url: `${server.origin}/late`, timeoutMs: 30 }));
  assert.equal(late.reason, 'timeout');
  assert.match(late.message, /no connection yet/);
  ending.abort();
  assert.equal(failureOf(await second).reason, 'aborted');
  server.release();
  answerOf(await first);
  await until(() => server.held.length === 1, 'the third is there');
  server.release();
  answerOf(await third);
  assert.deepEqual(
    server.requests.map((request) => request.url),
    ['/first', '/third'],
  );
});

test('a failed connection gives its place under max_conns_per_host back', async () => {
  const gone = await startHttpServer(() => {});
  await gone[Symbol.asyncDispose]();
  using effect = httpEffect({ maxConnsPerHost: 1 });
  const results = await Promise.all(Array.from({ length: 3 }, () => send(effect, { url: gone.origin })));
  for (const result of results) assert.equal(failureOf(result).reason, 'connect');
});

test('a kept connection that the server has closed is not used, whatever the method', async () => {
  await using server = await startHttpServer((_request, response) => response.end('ok'));
  using effect = httpEffect();
  for (const method of ['GET', 'POST', 'POST']) {
    answerOf(await send(effect, { method, url: server.origin }));
    server.dropConnections();
    await until(() => server.open() === 0, 'the server has closed it');
  }
  assert.equal(server.requests.length, 3);
});

/** Answers the first request of a connection and hangs up on the second, as a server does that closes in that very moment. */
function hangUpOnSecond() {
  const requests: string[] = [];
  const started = startTcpServer((socket) => {
    let count = 0;
    socket.on('data', (data) => {
      requests.push(data.toString('latin1').split(' ', 1)[0] as string);
      if (++count === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      else socket.destroy();
    });
  });
  return { requests, started };
}

test('a GET that meets a dying kept connection is sent once more over a new one', async () => {
  const { requests, started } = hangUpOnSecond();
  await using server = await started;
  using effect = httpEffect();
  answerOf(await send(effect, { url: server.origin }));
  answerOf(await send(effect, { url: server.origin }));
  assert.deepEqual(requests, ['GET', 'GET', 'GET']);
  assert.equal(server.accepted(), 2);
});

test('a POST that may have arrived is never sent again by itself', async () => {
  const { requests, started } = hangUpOnSecond();
  await using server = await started;
  using effect = httpEffect();
  answerOf(await send(effect, { url: server.origin }));
  const failure = failureOf(await send(effect, { method: 'POST', url: server.origin }));
  assert.equal(failure.reason, 'protocol');
  assert.equal(failure.retryable, true);
  assert.deepEqual(requests, ['GET', 'POST']);
});

test('an answer with Connection: close, and one that ends with its connection, are read whole and not reused', async () => {
  for (const head of [
    'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok',
    'HTTP/1.0 200 OK\r\n\r\nok',
  ]) {
    await using server = await startTcpServer((socket) => socket.once('data', () => socket.end(head)));
    using effect = httpEffect();
    for (let i = 0; i < 3; i++) assert.equal(answerOf(await send(effect, { url: server.origin })).bodyText, 'ok');
    assert.equal(server.accepted(), 3);
  }
});

test('bytes that a server sends unasked on an idle connection are never taken for the next answer', async () => {
  await using server = await startTcpServer((socket) => {
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood');
      setImmediate(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil'));
    });
  });
  using effect = httpEffect();
  for (let i = 0; i < 5; i++) assert.equal(answerOf(await send(effect, { url: server.origin })).bodyText, 'good');
});

test('closing the effect closes idle connections, ends calls under way and refuses new ones', async () => {
  await using server = await startHoldingServer();
  const effect = httpEffect();
  await sendTogether(effect, server, 2);
  const open = send(effect, { url: server.origin });
  await until(() => server.held.length === 1, 'a request is there');
  effect.close();
  const failure = failureOf(await open);
  assert.equal(failure.reason, 'aborted');
  await until(() => server.open() === 0, 'every connection is closed');
  assert.equal(failureOf(await send(effect, { url: server.origin })).reason, 'aborted');
});
