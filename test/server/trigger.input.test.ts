import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { httpTrigger, RawClient, type ServerUnderTest, startServer } from './server-under-test.ts';

let under: ServerUnderTest;
before(async () => {
  under = await startServer({
    triggers: [
      { trigger: httpTrigger() },
      {
        trigger: httpTrigger({
          method: 'GET',
          headers: ['accept', 'x-many', 'constructor'],
          cookies: ['theme', 'nflow_session'],
        }),
      },
      { trigger: httpTrigger({ path: '/orders/:id/notes/:note' }) },
      { trigger: httpTrigger({ path: '/files/*' }) },
      { trigger: httpTrigger({ path: '/raw', rawBody: true }) },
    ],
  });
});
after(() => under[Symbol.asyncDispose]());

function post(
  path: string,
  body: string | Buffer | undefined,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(under.origin + path, {
    method: 'POST',
    body: body as string,
    headers: { 'user-agent': 'test', ...headers },
  });
}

test('a JSON body goes to the engine as the bytes that arrived', async () => {
  const bytes = '{ "a": 1.0,\n "b": "\\u00e4é" }';
  const answer = await post('/api/echo', bytes, { 'content-type': 'application/json' });
  assert.equal(answer.status, 200);
  const request = under.engine.requests.at(-1);
  assert.equal(Buffer.from(request?.body ?? []).toString('utf8'), bytes);
  assert.deepEqual(JSON.parse(request?.inputJson ?? ''), {
    method: 'POST',
    path: '/api/echo',
    params: {},
    query: {},
    headers: { 'content-type': 'application/json', 'user-agent': 'test' },
    cookies: {},
  });
  assert.equal(request?.trigger, 'http');
  assert.equal(request?.workflow.compiled.name, 'echo');
});

const bodies: [
  name: string,
  contentType: string | null,
  body: string | Buffer | undefined,
  expected: Record<string, unknown>,
][] = [
  ['no body', null, undefined, { body: null }],
  ['an empty body', 'application/json', '', { body: null }],
  ['JSON with a charset', 'application/json; charset=UTF-8', '[1]', { body: [1] }],
  ['JSON of another type', 'application/vnd.api+json', '{"a":1}', { body: { a: 1 } }],
  ['JSON behind a byte order mark', 'application/json', '\uFEFF{"a":1}', { body: { a: 1 } }],
  [
    'a form',
    'application/x-www-form-urlencoded',
    'a=1&b=x+y%26&a=2&empty&=z&__proto__=p',
    { body: JSON.parse('{"a":["1","2"],"b":"x y&","empty":"","":"z","__proto__":"p"}') },
  ],
  ['text', 'text/plain', 'häl"lo\n', { body: 'häl"lo\n' }],
  ['HTML', 'text/html; charset="utf-8"', '<b>', { body: '<b>' }],
  ['bytes', 'image/png', Buffer.from([0, 255, 1]), { body: 'AP8B', bodyEncoding: 'base64' }],
  ['something without a type', null, Buffer.from([1]), { body: 'AQ==', bodyEncoding: 'base64' }],
];
for (const [name, contentType, body, expected] of bodies) {
  test(`input.body of ${name}`, async () => {
    using client = await RawClient.connect(under.port);
    const bytes = Buffer.from(body ?? '');
    const type = contentType === null ? '' : `Content-Type: ${contentType}\r\n`;
    const length = body === undefined ? '' : `Content-Length: ${bytes.length}\r\n`;
    client.send(Buffer.concat([Buffer.from(`POST /api/echo HTTP/1.1\r\nHost: x\r\n${type}${length}\r\n`), bytes]));
    assert.equal((await client.answer()).status, 200);
    const { body: got, bodyEncoding } = under.engine.lastInput;
    assert.deepEqual({ body: got, ...(bodyEncoding === undefined ? {} : { bodyEncoding }) }, expected);
  });
}

test('rawBody is there for a trigger that asks, as the exact text', async () => {
  await post('/raw', '{"a" : 1}', { 'content-type': 'application/json' });
  assert.equal(under.engine.lastInput.rawBody, '{"a" : 1}');
  await post('/raw', Buffer.from([255]), { 'content-type': 'application/octet-stream' });
  assert.equal(under.engine.lastInput.rawBody, '/w==');
  await post('/api/echo', '1', { 'content-type': 'application/json' });
  assert.equal('rawBody' in under.engine.lastInput, false);
});

test('a query becomes texts, and arrays where a name is repeated', async () => {
  await fetch(`${under.origin}/api/echo?a=1&b=x%20y&a=&__proto__=1&c+d=%C3%A4`);
  assert.deepEqual(under.engine.lastInput.query, JSON.parse('{"a":["1",""],"b":"x y","__proto__":"1","c d":"ä"}'));
});

test('parameters of the path are decoded, the path is as it arrived', async () => {
  await post('/orders/a%20b/notes/%C3%A4?x=1', undefined);
  assert.deepEqual(under.engine.lastInput.params, { id: 'a b', note: 'ä' });
  assert.equal(under.engine.lastInput.path, '/orders/a%20b/notes/%C3%A4');
  await post('/files/2026/a.txt', undefined);
  assert.deepEqual(under.engine.lastInput.params, { '*': '2026/a.txt' });
  await post('/api/echo/', undefined);
  assert.equal(under.engine.lastInput.path, '/api/echo/');
});

test('only named headers are shown, repeated ones joined', async () => {
  using client = await RawClient.connect(under.port);
  client.send(
    'GET /api/echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nAccept: */*\r\nX-Many: 1\r\nX-Many: 2\r\n\r\n',
  );
  await client.answer();
  assert.deepEqual(under.engine.lastInput.headers, { accept: '*/*', 'x-many': '1, 2' });
});

test('only named cookies are shown, and never one of nFlow', async () => {
  await fetch(`${under.origin}/api/echo`, {
    headers: { cookie: 'other=1; theme=da%20rk; nflow_session=secret; theme=second' },
  });
  assert.deepEqual(under.engine.lastInput.cookies, { theme: 'da rk' });
  await post('/api/echo', undefined, { cookie: 'theme=dark' });
  assert.deepEqual(under.engine.lastInput.cookies, {});
});

test('a body in chunks is put together', async () => {
  using client = await RawClient.connect(under.port);
  client.send(
    'POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n',
  );
  client.send('2\r\n2]\r\n0\r\n\r\n');
  assert.equal((await client.answer()).status, 200);
  assert.deepEqual(under.engine.lastInput.body, [1, 2]);
});

test('an address in absolute form, as proxies send it, is understood', async () => {
  using client = await RawClient.connect(under.port);
  client.send('GET http://example.test/api/echo?q=1 HTTP/1.1\r\nHost: example.test\r\n\r\n');
  assert.equal((await client.answer()).status, 200);
  assert.deepEqual(under.engine.lastInput.query, { q: '1' });
});

test('a client that waits for 100 Continue gets it before its body', async () => {
  using client = await RawClient.connect(under.port);
  client.send(
    'POST /api/echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n',
  );
  assert.equal((await client.answer()).status, 100);
  client.send('7');
  assert.equal((await client.answer()).status, 200);
  assert.equal(under.engine.lastInput.body, 7);
});
