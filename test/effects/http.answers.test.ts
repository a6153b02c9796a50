import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, before, test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { type Answer, answerOf, failureOf, httpEffect, send } from './calls.ts';
import { type RealServer, startHttpServer, startTcpServer } from './servers.ts';

let server: RealServer;
let respond: (response: ServerResponse) => void;
const effect = httpEffect();

before(async () => {
  server = await startHttpServer((_request, response) => respond(response));
});

after(async () => {
  effect.close();
  await server[Symbol.asyncDispose]();
});

async function answer(
  headers: Record<string, string | string[]>,
  body: string | Buffer = '',
  status = 200,
  method = 'GET',
): Promise<Answer> {
  respond = (response) => response.writeHead(status, headers).end(body);
  return answerOf(await send(effect, { method, url: server.origin }));
}

test('an answer is a result whatever its status', async () => {
  for (const status of [200, 201, 204, 304, 400, 404, 429, 500, 503, 599]) {
    assert.equal((await answer({}, '', status)).status, status);
  }
});

test('JSON comes through as its text, unparsed, valid or not', async () => {
  for (const type of ['application/json', 'application/json; charset=utf-8', 'application/problem+json', 'TEXT/JSON']) {
    const { bodyKind, bodyText } = await answer({ 'content-type': type }, '{ "a" : 1e2, "ñ": "✓" }');
    assert.deepEqual([bodyKind, bodyText], ['json', '{ "a" : 1e2, "ñ": "✓" }'], type);
  }
  const broken = await answer({ 'content-type': 'application/json' }, '{"a":');
  assert.deepEqual([broken.bodyKind, broken.bodyText], ['json', '{"a":']);
});

test('text is decoded by its charset, other bytes are base64', async () => {
  const cases: [type: string | undefined, body: Buffer, kind: string, text: string][] = [
    ['text/plain', Buffer.from('año'), 'text', 'año'],
    ['text/html; charset="ISO-8859-1"', Buffer.from('año', 'latin1'), 'text', 'año'],
    ['text/csv;charset=utf-16le', Buffer.from('año', 'utf16le'), 'text', 'año'],
    ['application/xml', Buffer.from('<a/>'), 'text', '<a/>'],
    ['image/svg+xml', Buffer.from('<svg/>'), 'text', '<svg/>'],
    ['application/x-www-form-urlencoded', Buffer.from('a=1'), 'text', 'a=1'],
    ['text/plain', Buffer.from([0x61, 0xff]), 'text', 'a\ufffd'],
    ['text/plain; charset=klingon', Buffer.from('abc'), 'base64', 'YWJj'],
    ['application/octet-stream', Buffer.from([0, 1, 2]), 'base64', 'AAEC'],
    ['image/png', Buffer.from('abc'), 'base64', 'YWJj'],
    [undefined, Buffer.from('ok'), 'text', 'ok'],
    [undefined, Buffer.from([0xff, 0x00]), 'base64', '/wA='],
  ];
  for (const [type, body, kind, text] of cases) {
    const { bodyKind, bodyText } = await answer(type === undefined ? {} : { 'content-type': type }, body);
    assert.deepEqual([bodyKind, bodyText], [kind, text], type ?? 'no content type');
  }
});

test('an empty body is none, whatever its type', async () => {
  const empty = await answer({ 'content-type': 'application/json' });
  assert.deepEqual([empty.bodyKind, empty.bodyText], ['none', '']);
  const head = await answer({ 'content-type': 'application/json', 'content-length': '500' }, '', 200, 'HEAD');
  assert.deepEqual([head.bodyKind, head.headers['content-length']], ['none', '500']);
});

test('header names are lower case, repeated ones are joined, set-cookie is always an array', async () => {
  const { headers } = await answer({ 'X-One': 'a', 'X-Two': ['b', 'c'], 'Set-Cookie': 'sid=1; Path=/' });
  assert.equal(headers['x-one'], 'a');
  assert.equal(headers['x-two'], 'b, c');
  assert.deepEqual(headers['set-cookie'], ['sid=1; Path=/']);
  const two = await answer({ 'set-cookie': ['a=1', 'b=2'] });
  assert.deepEqual(two.headers['set-cookie'], ['a=1', 'b=2']);
});

test('a header named __proto__ is a header and nothing else', async () => {
  await using raw = await startTcpServer((socket) => {
    socket.once('data', () =>
      socket.end('HTTP/1.1 200 OK\r\n__proto__: x\r\nconstructor: y\r\ncontent-length: 0\r\n\r\n'),
    );
  });
  const result = await send(effect, { url: raw.origin });
  assert.match(result.json, /"__proto__":"x"/);
  assert.equal(answerOf(result).headers.constructor, 'y');
});

test('answers that are compressed although nobody asked are decompressed', async () => {
  const text = 'hola '.repeat(1_000);
  const encodings: [string, Buffer][] = [
    ['gzip', gzipSync(text)],
    ['X-GZIP', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['br', brotliCompressSync(text)],
    ['zstd', zstdCompressSync(text)],
  ];
  for (const [encoding, body] of encodings) {
    const decoded = await answer({ 'content-type': 'text/plain', 'content-encoding': encoding }, body);
    assert.equal(decoded.bodyText, text, encoding);
    assert.equal(decoded.headers['content-encoding'], undefined);
    assert.equal(decoded.headers['content-length'], undefined);
  }
});

test('bytes in an encoding that is not known stay as they are, with their header', async () => {
  for (const contentType of ['application/octet-stream', 'text/plain', 'application/json']) {
    for (const encoding of ['constructor', 'gzip, br', 'compress']) {
      const kept = await answer({ 'content-type': contentType, 'content-encoding': encoding }, 'abc');
      assert.deepEqual(
        [kept.bodyKind, kept.bodyText, kept.headers['content-encoding']],
        ['base64', 'YWJj', encoding],
        `${contentType} in ${encoding}`,
      );
    }
  }
  const plain = await answer({ 'content-type': 'text/plain', 'content-encoding': 'identity' }, 'abc');
  assert.deepEqual([plain.bodyKind, plain.bodyText], ['text', 'abc']);
});

test('an answer that lies about its compression is a protocol failure', async () => {
  respond = (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('not gzip');
  const failure = failureOf(await send(effect, { url: server.origin }));
  assert.equal(failure.reason, 'protocol');
  assert.match(failure.message, /says that it is gzip/);
});

test('early hints and other informational answers are passed over', async () => {
  respond = (response) => {
    response.writeEarlyHints({ link: '</a.css>; rel=preload' });
    response.writeProcessing();
    response.writeHead(200, { 'content-type': 'text/plain' }).end('at last');
  };
  const { status, bodyText, headers } = answerOf(await send(effect, { url: server.origin }));
  assert.deepEqual([status, bodyText, headers.link], [200, 'at last', undefined]);
});

test('control characters and NUL in a body survive as JSON', async () => {
  const text = 'a\u0000b\u001f"\\\u2028';
  assert.equal((await answer({ 'content-type': 'text/plain; charset=utf-8' }, text)).bodyText, text);
});
