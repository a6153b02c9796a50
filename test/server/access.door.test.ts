import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fastify } from 'fastify';
import { guardRoutes } from '../../src/server/access.ts';
import { type Access, accessTable } from '../../src/server/access-table.ts';
import { ProxyTrust } from '../../src/server/proxy-trust.ts';
import { adminToken, RawClient, type ServerUnderTest, startServer } from './server-under-test.ts';

const rows = Object.entries(accessTable);
const bearer = { authorization: `Bearer ${adminToken}` };

/** An address of a row: its parameters filled in. */
function addressOf(row: string): { method: string; path: string } {
  const [method = '', url = ''] = row.split(' ');
  return { method, path: url.replace(/:[A-Za-z]+/g, '00000000').replace('*', 'x') };
}

/** A request with these exact headers; fetch would add some of its own. */
async function statusOf(
  port: number,
  { method, path }: { method: string; path: string },
  headers: Record<string, string> = {},
): Promise<number> {
  const all = { host: 'localhost', 'content-length': method === 'GET' ? undefined : '0', ...headers };
  const lines = Object.entries(all).filter(([, value]) => value !== undefined);
  using client = await RawClient.connect(port);
  client.send(`${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  return (await client.answer(method === 'HEAD')).status;
}

const isRefused = (status: number): boolean => status === 401 || status === 403;

let open: ServerUnderTest;
let closed: ServerUnderTest;
let apart: ServerUnderTest;
let adminPort = 0;
before(async () => {
  open = await startServer();
  closed = await startServer({ limits: { host: '0.0.0.0' }, admin: { samePort: true } });
  apart = await startServer({ limits: { host: '0.0.0.0' }, admin: { listen: '127.0.0.1:0' } });
  adminPort = (await apart.server.listenAdmin({ host: '127.0.0.1', port: 0 })).port;
});
after(() => Promise.all([open, closed, apart].map((under) => under[Symbol.asyncDispose]())));

test('a route that is not in the table cannot be registered, in whatever part of the server', async () => {
  const door = { token: adminToken, readsAreOpen: true, proxies: new ProxyTrust([]) };
  const table: Record<string, Access> = { 'GET /known': 'read', 'POST /known': 'write' };
  const app = fastify();
  guardRoutes(app, door, table);
  app.get('/known', () => 'a');
  app.post('/known', () => 'a');
  for (const add of [
    () => app.get('/forgotten', () => 'a'),
    () => app.put('/known', () => 'a'),
    () => app.route({ method: ['GET', 'POST'], url: '/known', handler: () => 'a' }),
    () => app.get('/constructor', () => 'a'),
  ]) {
    assert.throws(add, /not in the table/);
  }
  app.register(async (part) => {
    part.get('/nested', () => 'a');
  });
  await assert.rejects(async () => app.ready(), /\/nested: not in the table/);
  const outside = fastify();
  guardRoutes(outside, null, table);
  assert.throws(() => outside.get('/known', () => 'a'), /administration is not answered here/);
});

for (const [row, access] of rows) {
  test(`${row} exists and is ${access}`, async () => {
    const address = addressOf(row);
    const isPublic = access === 'public';
    assert.notEqual(await statusOf(open.port, address, bearer), 405, 'the table has no row without a route');
    assert.equal(isRefused(await statusOf(open.port, address)), access === 'write', 'on loopback');
    assert.equal(isRefused(await statusOf(closed.port, address)), !isPublic, 'where others come in');
    assert.equal(
      isRefused(await statusOf(closed.port, address, { authorization: 'Bearer x' })),
      !isPublic,
      'a wrong token',
    );
    assert.equal(isRefused(await statusOf(closed.port, address, bearer)), false, 'the token');
    assert.equal(isRefused(await statusOf(adminPort, address)), !isPublic, 'beside a main port that others reach');
    assert.equal(isRefused(await statusOf(adminPort, address, bearer)), false, 'the token');
    if (!isPublic) assert.equal(await statusOf(apart.port, address, bearer), 404, 'not on the main port');
    const effect = await statusOf(open.port, address, { ...bearer, 'nflow-effect': '1' });
    assert.equal(isRefused(effect), !isPublic, 'a request that a workflow makes');
    const foreign = {
      ...bearer,
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'cors',
      origin: 'https://evil.example',
    };
    assert.equal(isRefused(await statusOf(open.port, address, foreign)), !isPublic, 'a page of another site');
  });
}

test('HEAD is guarded as GET is', async () => {
  const address = { method: 'HEAD', path: '/nflow/api/v1/system' };
  assert.equal(await statusOf(closed.port, address), 401);
  assert.equal(await statusOf(closed.port, address, bearer), 200);
});

test('a refusal says what to send, and names no secret', async () => {
  const answer = await fetch(`${closed.origin}/metrics`);
  assert.equal(answer.status, 401);
  assert.equal(answer.headers.get('www-authenticate'), 'Bearer realm="nflow"');
  assert.equal(answer.headers.get('content-type'), 'application/problem+json');
  const { code, detail } = (await answer.json()) as { code: string; detail: string };
  assert.equal(code, 'unauthorized');
  assert.match(detail, /Authorization: Bearer TOKEN/);
});

test('the token counts in any spelling of the scheme, and only as a whole', async () => {
  const address = { method: 'GET', path: '/metrics' };
  for (const [authorization, status] of [
    [`bearer ${adminToken}`, 200],
    [`BEARER   ${adminToken}`, 200],
    [`Bearer ${adminToken}x`, 401],
    [`Bearer ${adminToken.slice(0, -1)}`, 401],
    [`Bearer ${adminToken} ${adminToken}`, 401],
    [`Basic ${Buffer.from(`admin:${adminToken}`).toString('base64')}`, 401],
    [adminToken, 401],
    ['Bearer', 401],
    ['Bearer ', 401],
  ] as const) {
    assert.equal(await statusOf(closed.port, address, { authorization }), status, authorization);
  }
});

test('reading without a token is for this machine itself: not through a proxy, not under another name', async () => {
  const address = { method: 'GET', path: '/metrics' };
  assert.equal(await statusOf(open.port, address), 200);
  for (const name of ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip', 'x-forwarded-host', 'x-forwarded-proto']) {
    assert.equal(await statusOf(open.port, address, { [name]: '203.0.113.9' }), 401, name);
  }
  assert.equal(await statusOf(open.port, address, { host: 'evil.example' }), 403, 'DNS rebinding');
  assert.equal(
    await statusOf(open.port, address, { host: 'ops.example', ...bearer }),
    200,
    'the token opens every name',
  );
  await using proxied = await startServer({ limits: { trustProxy: ['127.0.0.1'] } });
  assert.equal(await statusOf(proxied.port, address), 401, 'with a proxy in front nobody is this machine itself');
  assert.equal(await statusOf(proxied.port, address, bearer), 200);
});

test('pages of other origins are kept out by what browsers say of them', async () => {
  const table: Record<string, Access> = { 'GET /thing': 'read', 'POST /thing': 'write' };
  const app = fastify();
  guardRoutes(app, { token: adminToken, readsAreOpen: true, proxies: new ProxyTrust(['127.0.0.1']) }, table);
  app.setErrorHandler((error, _request, reply) =>
    reply.code((error as { problem?: { status: number } }).problem?.status ?? 500).send(''),
  );
  app.get('/thing', () => 'a');
  app.post('/thing', () => 'a');
  const ask = async (method: 'GET' | 'POST', headers: Record<string, string>): Promise<number> => {
    const all = { host: 'localhost:8080', ...bearer, ...headers };
    return (await app.inject({ method, url: '/thing', headers: all })).statusCode;
  };
  const cases: [name: string, headers: Record<string, string>, get: number, post: number][] = [
    ['no browser', {}, 200, 200],
    ['its own page', { 'sec-fetch-site': 'same-origin', origin: 'http://localhost:8080' }, 200, 200],
    ['typed into the address bar', { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }, 200, 200],
    [
      'a link elsewhere',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      200,
      403,
    ],
    [
      'a frame elsewhere',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
      403,
      403,
    ],
    ['an image elsewhere', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 403, 403],
    ['another port of this machine', { 'sec-fetch-site': 'same-site', origin: 'http://localhost:3000' }, 403, 403],
    ['an old browser, its own page', { origin: 'http://localhost:8080' }, 200, 200],
    ['an old browser, another port', { origin: 'http://localhost:3000' }, 403, 403],
    ['an old browser, another site', { origin: 'https://evil.example' }, 403, 403],
    ['a sandboxed page', { origin: 'null' }, 403, 403],
    ['behind a proxy that is known', { origin: 'https://ops.example', 'x-forwarded-host': 'ops.example' }, 200, 200],
  ];
  for (const [name, headers, get, post] of cases) {
    assert.deepEqual([await ask('GET', headers), await ask('POST', headers)], [get, post], name);
  }
  await app.close();
});

test('the forwarded address is believed of known proxies only, hop by hop', () => {
  const trust = new ProxyTrust(['10.0.0.0/8', '::1', '127.0.0.1']);
  const clientOf = (peer: string, header?: string): string =>
    trust.clientOf({ socket: { remoteAddress: peer }, headers: { 'x-forwarded-for': header } } as never);
  assert.equal(clientOf('203.0.113.9', '1.2.3.4'), '203.0.113.9', 'a stranger says what it wants');
  assert.equal(clientOf('10.1.2.3', '1.2.3.4'), '1.2.3.4');
  assert.equal(
    clientOf('::ffff:10.1.2.3', '6.6.6.6, 1.2.3.4, 10.9.9.9'),
    '1.2.3.4',
    'what stands before is not believed',
  );
  assert.equal(clientOf('::1', '2001:db8::1'), '2001:db8::1');
  assert.equal(clientOf('10.1.2.3'), '10.1.2.3');
  assert.equal(clientOf('10.1.2.3', 'nonsense'), '10.1.2.3');
});

test('every answer of administration keeps other origins, frames and caches out', async () => {
  for (const path of ['/metrics', '/nflow/api/v1/workflows', '/nflow/nothing', '/health']) {
    const { headers } = await fetch(open.origin + path);
    assert.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'", path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('x-frame-options'), 'DENY');
    assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('access-control-allow-origin'), null);
  }
});

test('the port of administration answers no workflow, and has the limits of the main one', async () => {
  assert.equal(await statusOf(apart.port, { method: 'POST', path: '/api/echo' }), 200);
  assert.equal(await statusOf(adminPort, { method: 'POST', path: '/api/echo' }, bearer), 404);
  assert.equal(await statusOf(adminPort, { method: 'GET', path: `/health?${'x'.repeat(9000)}` }), 414);
  assert.equal(await statusOf(adminPort, { method: 'GET', path: '/health' }, { 'x-long': 'x'.repeat(17_000) }), 431);
});

test('while the server drains, both ports still tell that it is not ready', async () => {
  const under = await startServer({ limits: { host: '0.0.0.0' }, admin: { listen: '127.0.0.1:0' } });
  const { port } = await under.server.listenAdmin({ host: '127.0.0.1', port: 0 });
  under.engine.answerWith = null;
  using waiting = await RawClient.connect(under.port);
  waiting.send('POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
  using probe = await RawClient.connect(under.port);
  probe.send('GET /ready HTTP/1.1\r\nHost: x\r\n\r\n');
  assert.equal((await probe.answer()).status, 200);
  const closing = under.server.close(20_000);
  assert.equal(await statusOf(under.port, { method: 'GET', path: '/ready' }), 503);
  assert.equal(await statusOf(port, { method: 'GET', path: '/ready' }), 503);
  assert.equal(await statusOf(port, { method: 'GET', path: '/metrics' }, bearer), 200);
  for (const answer of under.engine.pending.splice(0)) {
    answer({ executionId: null, status: 200, headers: null, body: null, error: null });
  }
  await closing;
  await assert.rejects(RawClient.connect(port), 'nothing listens any more');
});
