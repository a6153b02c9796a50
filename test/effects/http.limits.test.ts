import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { answerOf, contextOf, failureOf, httpEffect, send } from './calls.ts';
import { startHttpServer, startTcpServer, until } from './servers.ts';

const sizeMax = 64 * 1024;

test('a body of exactly the limit is read, one more byte is refused, announced or not', async () => {
  await using server = await startHttpServer((request, response) => {
    const size = Number(new URL(request.url, 'http://x').searchParams.get('size'));
    response.setHeader('content-type', 'text/plain');
    if (request.url.startsWith('/chunked')) {
      response.write('a'.repeat(size - 1));
      response.end('a');
    } else {
      response.end('a'.repeat(size));
    }
  });
  using effect = httpEffect({ responseSizeMax: sizeMax });
  for (const path of ['/announced', '/chunked']) {
    const fits = answerOf(await send(effect, { url: `${server.origin}${path}?size=${sizeMax}` }));
    assert.equal(fits.bodyText.length, sizeMax, path);
    const failure = failureOf(await send(effect, { url: `${server.origin}${path}?size=${sizeMax + 1}` }));
    assert.equal(failure.reason, 'too_large', path);
    assert.match(failure.message, /at most 65536 bytes/);
  }
});

test('a body in pieces of one byte is read whole', async () => {
  const count = 100_000;
  await using server = await startTcpServer((socket) =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n');
      socket.end(`${Array.from({ length: count }, (_, i) => `1\r\n${i % 10}\r\n`).join('')}0\r\n\r\n`);
    }),
  );
  using effect = httpEffect();
  const { bodyText } = answerOf(await send(effect, { url: server.origin }));
  assert.equal(bodyText, '0123456789'.repeat(count / 10));
});

test('the length that a HEAD or a 304 announces is no body and has no limit', async () => {
  await using server = await startHttpServer((request, response) => {
    response.writeHead(request.method === 'HEAD' ? 200 : 304, { 'content-length': 10 * sizeMax }).end();
  });
  using effect = httpEffect({ responseSizeMax: sizeMax });
  assert.equal(answerOf(await send(effect, { method: 'HEAD', url: server.origin })).status, 200);
  assert.equal(answerOf(await send(effect, { url: server.origin })).status, 304);
});

test('a body that never ends is cut off at the limit, and its connection closed', async () => {
  await using server = await startHttpServer((_request, response) => {
    const pour = () => {
      while (response.write(Buffer.alloc(16 * 1024))) if (response.destroyed) return;
    };
    response.on('drain', pour);
    pour();
  });
  using effect = httpEffect({ responseSizeMax: sizeMax });
  assert.equal(failureOf(await send(effect, { url: server.origin })).reason, 'too_large');
  await until(() => server.open() === 0, 'the connection is closed');
});

const bombs: Record<string, (plain: Buffer) => Buffer> = {
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
};
for (const [encoding, compress] of Object.entries(bombs)) {
  test(`a decompression bomb in ${encoding} stops at the limit`, async () => {
    const bomb = compress(Buffer.alloc(8 * 1024 * 1024));
    assert.ok(bomb.length < sizeMax);
    await using server = await startHttpServer((_request, response) =>
      response.writeHead(200, { 'content-encoding': encoding }).end(bomb),
    );
    using effect = httpEffect({ responseSizeMax: sizeMax });
    const failure = failureOf(await send(effect, { url: server.origin }));
    assert.equal(failure.reason, 'too_large');
    assert.match(failure.message, /decompressed/);
  });
}

test('a body that grows beyond measure as JSON text is refused', async () => {
  const size = 512 * 1024;
  await using server = await startHttpServer((_request, response) =>
    response.writeHead(200, { 'content-type': 'text/plain' }).end(Buffer.alloc(size, 1)),
  );
  using effect = httpEffect({ responseSizeMax: size });
  const failure = failureOf(await send(effect, { url: server.origin }));
  assert.equal(failure.reason, 'too_large');
  assert.match(failure.message, /as JSON text/);
});

test('answer headers larger than 16 KiB are refused', async () => {
  await using server = await startTcpServer((socket) =>
    socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`)),
  );
  using effect = httpEffect();
  assert.equal(failureOf(await send(effect, { url: server.origin })).reason, 'too_large');
});

const slow: [what: string, talk: (socket: Socket) => void, phase: RegExp][] = [
  ['never answers', () => {}, /sent and no answer had begun/],
  [
    'sends headers byte by byte',
    (socket) => drip(socket, 'HTTP/1.1 200 OK\r\nx-a: ', 'a'),
    /sent and no answer had begun/,
  ],
  [
    'sends its body byte by byte',
    (socket) => drip(socket, 'HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n', 'a'),
    /answer had begun and not ended/,
  ],
  ['hints for ever', (socket) => drip(socket, '', 'HTTP/1.1 103 Early Hints\r\n\r\n'), /sent and no answer had begun/],
];

function drip(socket: Socket, first: string, drop: string): void {
  socket.write(first);
  const timer = setInterval(() => socket.write(drop), 5);
  socket.on('close', () => clearInterval(timer));
}

for (const [what, talk, phase] of slow) {
  test(`a server that ${what} meets the call's timeout, and loses its connection`, async () => {
    await using server = await startTcpServer((socket) => socket.once('data', () => talk(socket)));
    using effect = httpEffect();
    const failure = failureOf(
      await send(effect, { method: 'POST', url: `${server.origin}/pay?card=1`, timeoutMs: 150 }),
    );
    assert.equal(failure.reason, 'timeout');
    assert.equal(failure.retryable, true);
    assert.match(failure.message, phase);
    assert.match(failure.message, /not known whether it took effect/);
    assert.ok(failure.message.startsWith(`POST ${server.origin}/pay: not done within 150 ms`), failure.message);
    await until(() => server.open() === 0, 'the connection is closed');
  });
}

test('a service that takes a connection and never gets to TLS meets the time for connecting, and nothing was sent', async () => {
  await using server = await startTcpServer((socket) => socket.resume());
  using effect = httpEffect({ connectTimeoutMs: 100 });
  const url = `https://127.0.0.1:${server.port}/pay`;
  const failure = failureOf(await send(effect, { method: 'POST', url }));
  assert.deepEqual([failure.reason, failure.retryable], ['connect', true]);
  assert.match(
    failure.message,
    /no connection to 127\.0\.0\.1 port \d+ within 100 ms \(\[http_client\] connect_timeout\)/,
  );
  assert.doesNotMatch(failure.message, /took effect/);
  await until(() => server.open() === 0, 'the connection is closed');
});

test('the time for connecting is over once there is a connection: a slow answer does not meet it', async () => {
  await using server = await startHttpServer((_request, response) => {
    setTimeout(() => response.end('late'), 1_500);
  });
  using effect = httpEffect({ connectTimeoutMs: 1_000 });
  assert.equal(answerOf(await send(effect, { url: server.origin })).bodyText, 'late');
});

test('the timeout of the configuration holds for a call without one, and covers all redirects together', async () => {
  await using server = await startHttpServer((request, response) => {
    setTimeout(() => response.writeHead(302, { location: `${request.url}x` }).end(), 60);
  });
  using effect = httpEffect({ timeoutMs: 150 });
  const failure = failureOf(await send(effect, { url: server.origin }));
  assert.equal(failure.reason, 'timeout');
  assert.doesNotMatch(failure.message, /took effect/);
  assert.ok(server.requests.length < 5);
});

test('a name whose look-up does not end meets the timeout too', async () => {
  using effect = httpEffect({ resolve: () => new Promise(() => {}) });
  const failure = failureOf(await send(effect, { url: 'http://slow.example/', timeoutMs: 30 }));
  assert.equal(failure.reason, 'timeout');
  assert.match(failure.message, /still being looked up/);
});

test('an execution that ends aborts its call in every phase', async () => {
  const talks: ((socket: Socket) => void)[] = [
    () => {},
    (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'),
  ];
  for (const talk of talks) {
    let asked = false;
    await using server = await startTcpServer((socket) =>
      socket.once('data', () => {
        talk(socket);
        asked = true;
      }),
    );
    using effect = httpEffect();
    const ending = new AbortController();
    const result = send(effect, { url: server.origin }, contextOf(ending.signal));
    await until(() => asked, 'the request arrived');
    ending.abort();
    assert.equal(failureOf(await result).reason, 'aborted');
    await until(() => server.open() === 0, 'the connection is closed');
  }
});

test('a call of an execution that has ended is not sent', async () => {
  await using server = await startHttpServer((_request, response) => response.end());
  using effect = httpEffect();
  assert.equal(failureOf(await send(effect, { url: server.origin }, contextOf(AbortSignal.abort()))).reason, 'aborted');
  assert.equal(server.accepted(), 0);
});

test('a hundred calls of one execution at a time raise no warning and leave no listener', async () => {
  const warnings: string[] = [];
  const onWarning = (warning: Error) => warnings.push(warning.message);
  process.on('warning', onWarning);
  await using server = await startHttpServer((_request, response) => response.end('ok'));
  using effect = httpEffect();
  const context = contextOf();
  const results = await Promise.all(Array.from({ length: 100 }, () => send(effect, { url: server.origin }, context)));
  for (const result of results) assert.equal(answerOf(result).bodyText, 'ok');
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', onWarning);
  assert.deepEqual(warnings, []);
});

test('a port where nothing listens is a connect failure that says so', async () => {
  const server = await startHttpServer(() => {});
  await server[Symbol.asyncDispose]();
  using effect = httpEffect();
  const failure = failureOf(await send(effect, { method: 'PUT', url: `${server.origin}/a?b=c` }));
  assert.equal(failure.reason, 'connect');
  assert.equal(failure.retryable, true);
  assert.match(
    failure.message,
    /^PUT http:\/\/127\.0\.0\.1:\d+\/a: no connection to 127\.0\.0\.1 port \d+: nothing listens there/,
  );
});

test('what is not HTTP, or breaks off, is a protocol failure', async () => {
  const answers: [sent: string, retryable: boolean][] = [
    ['SSH-2.0-OpenSSH_9.2\r\n', false],
    ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', true],
    ['HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc', true],
    ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nabc', true],
    ['HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n', true],
    ['', true],
  ];
  for (const [sent, retryable] of answers) {
    await using server = await startTcpServer((socket) => socket.once('data', () => socket.end(sent)));
    using effect = httpEffect();
    const failure = failureOf(await send(effect, { url: server.origin }));
    assert.deepEqual([failure.reason, failure.retryable], ['protocol', retryable], JSON.stringify(sent));
    assert.equal(server.accepted(), 1, 'a first use is not repeated');
  }
});
