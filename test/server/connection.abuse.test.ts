import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpTrigger, okAnswer, RawClient, startServer, waitFor } from './server-under-test.ts';

const get = 'GET /api/echo HTTP/1.1\r\nHost: x\r\n\r\n';
const triggers = [{ trigger: httpTrigger() }, { trigger: httpTrigger({ method: 'GET' as const }) }];

/** A small generator with a seed, so that a failure can be repeated. */
function randomBytes(seed: number, size: number): Buffer {
  let state = seed;
  return Buffer.from(
    Array.from({ length: size }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    }),
  );
}

test('garbage, cut requests and clients that vanish leave the server answering', async () => {
  await using under = await startServer({ triggers });
  const whole = `POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a":"b"}`;
  for (let seed = 1; seed <= 60; seed++) {
    using client = await RawClient.connect(under.port);
    const garbage = randomBytes(seed, 200);
    client.send(
      seed % 3 === 0
        ? garbage
        : seed % 3 === 1
          ? whole.slice(0, 1 + ((seed * 7) % (whole.length - 1)))
          : Buffer.concat([Buffer.from(whole), garbage]),
    );
    if (seed % 2 === 0) client.socket.end();
  }
  assert.equal((await fetch(`${under.origin}/api/echo`)).status, 200);
  await waitFor(() => under.server.inflightBytes === 0, 'the bytes to be given back');
});

test('garbage behind a request that is still open does not get between it and its answer', async () => {
  await using under = await startServer({ triggers });
  under.engine.answerWith = null;
  using client = await RawClient.connect(under.port);
  client.send(get);
  await waitFor(() => under.engine.pending.length === 1, 'the request');
  client.send('\0\0garbage\r\n\r\n');
  client.send('garbage\r\n\r\n');
  await waitFor(() => client.socket.writableLength === 0, 'the garbage to be sent');
  under.engine.pending.splice(0)[0]?.(okAnswer());
  assert.equal((await client.answer()).status, 200, 'first the answer to the request');
  assert.equal((await client.answer()).status, 400);
  await client.ended();
});

test('many requests in one packet are all answered, in order', async () => {
  await using under = await startServer({ triggers });
  under.engine.answerWith = ({ inputJson }) =>
    okAnswer({ body: Buffer.from(JSON.stringify(JSON.parse(inputJson).query.n)) });
  using client = await RawClient.connect(under.port);
  const count = 200;
  client.send(Array.from({ length: count }, (_, n) => get.replace('/api/echo', `/api/echo?n=${n}`)).join(''));
  for (let n = 0; n < count; n++) assert.equal((await client.answer()).body, `"${n}"`);
});

test('a request that arrives too slowly is answered 408 and cut', async () => {
  await using under = await startServer({ triggers, limits: { requestTimeoutMs: 1000 } });
  using inHeaders = await RawClient.connect(under.port);
  using inBody = await RawClient.connect(under.port);
  inHeaders.send('GET /api/echo HTTP/1.1\r\nHost:');
  inBody.send('POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[');
  for (const client of [inHeaders, inBody]) {
    const answer = await client.answer();
    assert.equal(answer.status, 408);
    assert.equal(JSON.parse(answer.body).code, 'request_timeout');
    await client.ended();
  }
  await waitFor(() => under.server.inflightBytes === 0, 'the bytes to be given back');
  assert.equal(under.engine.requests.length, 0);
});

test('a running execution is not cut by the time limit of requests', async () => {
  await using under = await startServer({ triggers, limits: { requestTimeoutMs: 1000 } });
  under.engine.answerWith = null;
  using slow = await RawClient.connect(under.port);
  using witness = await RawClient.connect(under.port);
  slow.send(get);
  witness.send('GET /api/echo HTTP/1.1\r\nHost:');
  assert.equal((await witness.answer()).status, 408, 'the limit has passed for the other one');
  under.engine.pending.splice(0)[0]?.(okAnswer());
  assert.equal((await slow.answer()).status, 200);
});

test('the answer to a body that is refused reaches a client that goes on sending', async () => {
  await using under = await startServer({ triggers, limits: { bodySizeMax: 1000 } });
  using client = await RawClient.connect(under.port);
  client.send('POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n');
  for (let sent = 0; sent < 3_000_000; sent += 100_000) client.send(Buffer.alloc(100_000));
  assert.equal((await client.answer()).status, 413);
  await client.ended();
});

test('a client that refuses to stop sending is cut', async () => {
  await using under = await startServer({ triggers, limits: { bodySizeMax: 1000 } });
  using client = await RawClient.connect(under.port);
  client.send('POST /api/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
  const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536), Buffer.from('\r\n')]);
  const flood = setInterval(() => client.send(chunk), 1);
  try {
    await client.ended();
  } finally {
    clearInterval(flood);
  }
  assert.equal(under.engine.requests.length, 0);
  assert.equal((await fetch(`${under.origin}/api/echo`)).status, 200);
});

test('a connection too many is told so and closed, and one that ends makes room', async () => {
  await using under = await startServer({ triggers, options: { connectionsMax: 3 } });
  const kept: RawClient[] = [];
  for (let i = 0; i < 3; i++) kept.push(await RawClient.connect(under.port));
  await waitFor(() => under.server.openConnections === 3, 'the connections');
  using refused = await RawClient.connect(under.port);
  refused.send(get);
  const answer = await refused.answer();
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get('retry-after'), '1');
  assert.equal(JSON.parse(answer.body).code, 'queue_full');
  await refused.ended();
  kept.pop()?.socket.destroy();
  await waitFor(() => under.server.openConnections === 2, 'the room');
  using next = await RawClient.connect(under.port);
  for (const client of [...kept, next]) {
    client.send(get);
    assert.equal((await client.answer()).status, 200);
    client.socket.destroy();
  }
});

test('behind a refusal that closes the connection nothing is taken for a request', async () => {
  await using under = await startServer({ triggers });
  for (const first of [
    'GET /api/echo HTTP/1.1\r\n\r\n',
    'GET /api/echo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n',
    'POST /api/echo HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    `GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    'GET ftp://x/api/echo HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST /api/echo HTTP/1.1\r\nHost: x\r\nExpect: other\r\nContent-Length: 0\r\n\r\n',
    'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n',
  ]) {
    using client = await RawClient.connect(under.port);
    client.send(first + get.repeat(3));
    assert.ok((await client.answer()).status >= 400);
    await client.ended();
    assert.equal(client.unread, 0, first);
    assert.equal(under.engine.requests.length, 0, first);
  }
});

test('a client whose request is refused and that never closes its side is let go of', async () => {
  await using under = await startServer({ triggers, limits: { requestTimeoutMs: 1000 } });
  using silent = await RawClient.connect(under.port);
  silent.send('GET / HTTP/1.1\r\n\r\n');
  assert.equal((await silent.answer()).status, 400);
  await waitFor(() => under.server.openConnections === 0, 'the connection to be closed from this side alone');
});
