import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { CorsRules } from '../../src/workflow/compiled.ts';
import { httpTrigger, okAnswer, RawClient, type ServerUnderTest, startServer } from './server-under-test.ts';

const app = 'https://app.example';
const rules: CorsRules = {
  origins: [app, 'http://localhost:5173'],
  headers: ['content-type', 'x-tenant'],
  exposedHeaders: ['x-total'],
  credentials: true,
  maxAgeMs: 90_000,
};

let under: ServerUnderTest;
before(async () => {
  under = await startServer({
    cors: { origins: ['*'], methods: ['GET', 'POST'] },
    limits: { bodySizeMax: 2000 },
    triggers: [
      { trigger: httpTrigger({ path: '/named', cors: rules }) },
      { trigger: httpTrigger({ path: '/named', method: 'GET', cors: rules }), effectFree: true },
      { trigger: httpTrigger({ path: '/items/:id', method: 'DELETE', cors: { ...rules, headers: ['*'] } }) },
      { trigger: httpTrigger({ path: '/configured' }) },
      { trigger: httpTrigger({ path: '/configured', method: 'DELETE' }) },
      { trigger: httpTrigger({ path: '/closed', cors: 'none' }) },
      { trigger: httpTrigger({ path: '/own', cors: rules }) },
      { trigger: httpTrigger({ path: '/own', method: 'OPTIONS', cors: 'none' }) },
    ],
  });
});
after(() => under[Symbol.asyncDispose]());

function ask(method: string, path: string, headers: Record<string, string>, body?: string): Promise<Response> {
  return fetch(under.origin + path, { method, headers, body });
}

function preflight(path: string, origin: string, method: string, headers?: string): Promise<Response> {
  const asked: Record<string, string> = headers === undefined ? {} : { 'access-control-request-headers': headers };
  return ask('OPTIONS', path, { origin, 'access-control-request-method': method, ...asked });
}

/** The headers that speak of origins. */
function corsOf({ headers }: Response): Record<string, string> {
  return Object.fromEntries(
    [...headers]
      .filter(([name]) => name.startsWith('access-control-') || name === 'vary')
      .map(([name, value]) => [name, value]),
  );
}

test('a preflight of an origin that is named is answered with what the trigger allows', async () => {
  const before = under.engine.requests.length;
  const answer = await preflight('/named', app, 'POST', 'content-type');
  assert.equal(answer.status, 204);
  assert.deepEqual(corsOf(answer), {
    'access-control-allow-origin': app,
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': 'content-type, x-tenant',
    'access-control-max-age': '90',
    vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
  });
  assert.equal(under.engine.requests.length, before, 'nothing is run for it');
});

test('a preflight finds the route of the method that it asks for, with parameters, and HEAD where it is answered', async () => {
  const answer = await preflight('/items/7', 'http://localhost:5173', 'DELETE', 'x-anything, x-else');
  assert.equal(answer.status, 204);
  assert.equal(answer.headers.get('access-control-allow-headers'), 'x-anything, x-else', 'every header is allowed');
  assert.equal((await preflight('/named', app, 'HEAD')).status, 204);
});

test('a preflight of another origin is refused with the reason, and allows nothing', async () => {
  for (const origin of [
    'https://evil.example',
    'http://app.example',
    'https://app.example.evil.example',
    'null',
    'https://app.example:8443',
  ]) {
    const answer = await preflight('/named', origin, 'POST');
    assert.equal(answer.status, 403, origin);
    assert.equal(((await answer.json()) as { code: string }).code, 'forbidden');
    assert.deepEqual(corsOf(answer), {
      vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    });
  }
});

test('[cors] speaks for triggers that say nothing, within its methods', async () => {
  const allowed = await preflight('/configured', 'https://any.example', 'POST');
  assert.equal(allowed.status, 204);
  assert.equal(allowed.headers.get('access-control-allow-origin'), '*');
  assert.equal(allowed.headers.get('access-control-allow-credentials'), null);
  assert.equal((await preflight('/configured', 'https://any.example', 'DELETE')).status, 403);
});

test('a trigger without CORS, and a question that is no preflight, are answered like any other method', async () => {
  for (const answer of [
    await preflight('/closed', app, 'POST'),
    await preflight('/named', app, 'PUT'),
    await ask('OPTIONS', '/named', { origin: app }),
    await ask('OPTIONS', '/named', {}),
  ]) {
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.get('access-control-allow-origin'), null);
  }
  assert.equal((await preflight('/nothing', app, 'POST')).status, 404);
});

test('a workflow that answers OPTIONS itself is asked', async () => {
  const before = under.engine.requests.length;
  assert.equal((await preflight('/own', app, 'POST')).status, 200);
  assert.equal(under.engine.requests.length, before + 1);
});

test('an answer to a page that is allowed can be read by it, with the headers that are exposed', async () => {
  const answer = await ask('POST', '/named', { origin: app });
  assert.equal(answer.status, 200);
  assert.deepEqual(corsOf(answer), {
    'access-control-allow-origin': app,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'nflow-execution-id, nflow-request-id, retry-after, x-total',
    vary: 'Origin',
  });
  assert.equal(
    (await ask('POST', '/configured', { origin: 'https://any.example' })).headers.get('access-control-allow-origin'),
    '*',
  );
});

test('an error can be read by the page as well', async () => {
  for (const [headers, body, status] of [
    [{ 'content-type': 'application/json' }, '[[[[', 200],
    [{ 'content-type': 'multipart/form-data; boundary=x' }, '--x--', 415],
    [{}, 'x'.repeat(2001), 413],
    [{ prefer: 'respond-async' }, '', 501],
  ] as const) {
    const answer = await ask('POST', '/named', { origin: app, ...headers }, body);
    assert.equal(answer.status, status);
    assert.equal(answer.headers.get('access-control-allow-origin'), app, String(status));
  }
});

test('a request of another origin is answered, and says to nobody that it may be read', async () => {
  const answer = await ask('POST', '/named', { origin: 'https://evil.example' });
  assert.equal(answer.status, 200);
  assert.deepEqual(corsOf(answer), { vary: 'Origin' });
  assert.deepEqual(corsOf(await ask('POST', '/closed', { origin: app })), {});
});

test('answers without an origin tell caches that others differ, on both ways through the server', async () => {
  const request = 'GET /named HTTP/1.1\r\nHost: x\r\n';
  for (const text of [`${request}\r\n`, `${request}Connection: close\r\n\r\n`]) {
    using client = await RawClient.connect(under.port);
    client.send(text);
    const answer = await client.answer();
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('vary'), 'Origin');
  }
  assert.deepEqual(corsOf(await ask('POST', '/configured', {})), {}, 'what is open to all is the same for all');
});

test('what a workflow says of origins itself gives way to the trigger, and its Vary stays', async () => {
  const headers = {
    'access-control-allow-origin': '*',
    'access-control-allow-methods': 'TRACE',
    vary: 'Accept',
    'x-total': '3',
  };
  under.engine.answerWith = () => okAnswer({ headers });
  const named = await ask('POST', '/named', { origin: app });
  const closed = await ask('POST', '/closed', { origin: app });
  under.engine.answerWith = () => okAnswer();
  assert.equal(named.headers.get('access-control-allow-origin'), app);
  assert.equal(named.headers.get('access-control-allow-methods'), null);
  assert.equal(named.headers.get('vary'), 'Accept, Origin');
  assert.equal(named.headers.get('x-total'), '3');
  assert.equal(closed.headers.get('access-control-allow-origin'), '*', 'without a policy it is the workflow that says');
});
