import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerOf, failureOf, httpEffect, send } from './calls.ts';
import { startHttpServer } from './servers.ts';

/** Redirects `/STATUS?to=ADDRESS`, answers 200 elsewhere. */
function startRedirector(host?: string) {
  return startHttpServer((request, response) => {
    const url = new URL(request.url, 'http://x');
    const status = Number(url.pathname.slice(1));
    const to = url.searchParams.getAll('to');
    if (to.length === 0) {
      response.end('arrived');
    } else {
      response.setHeader('location', to);
      response.writeHead(status).end('moved');
    }
  }, host);
}

const via = (origin: string, status: number, to: string) => `${origin}/${status}?to=${encodeURIComponent(to)}`;

test('redirects are followed: 301, 302 and 303 turn a POST into a GET, 307 and 308 send it again', async () => {
  await using server = await startRedirector();
  using effect = httpEffect();
  for (const status of [301, 302, 303, 307, 308]) {
    const call = { method: 'POST', url: via(server.origin, status, '/end'), body: '{}', bodyKind: 'json' };
    assert.equal(answerOf(await send(effect, call)).bodyText, 'arrived');
    const last = server.requests.at(-1);
    const again = status >= 307;
    assert.equal(last?.method, again ? 'POST' : 'GET', String(status));
    assert.equal(last?.body, again ? '{}' : '');
    assert.equal(last?.headers['content-type'], again ? 'application/json' : undefined);
    assert.equal(last?.headers['idempotency-key'], again ? 'key-1' : undefined);
  }
});

test('a HEAD stays a HEAD, and 303 turns a PUT into a GET where 302 does not', async () => {
  await using server = await startRedirector();
  using effect = httpEffect();
  const cases: [method: string, status: number, becomes: string][] = [
    ['HEAD', 303, 'HEAD'],
    ['HEAD', 301, 'HEAD'],
    ['PUT', 303, 'GET'],
    ['PUT', 302, 'PUT'],
    ['DELETE', 301, 'DELETE'],
  ];
  for (const [method, status, becomes] of cases) {
    answerOf(await send(effect, { method, url: via(server.origin, status, '/end') }));
    assert.equal(server.requests.at(-1)?.method, becomes, `${method} ${status}`);
  }
});

test('a redirect to a refused address is refused, and nothing is sent there', async () => {
  await using inner = await startHttpServer((_request, response) => response.end('secret'), '127.0.0.2');
  await using outer = await startRedirector();
  using effect = httpEffect({ allow: [`127.0.0.1:${outer.port}`] });
  const places = [
    inner.origin,
    'http://169.254.169.254/latest/meta-data/',
    'http://[::ffff:127.0.0.2]/',
    `http://0x7f000002:${inner.port}`,
  ];
  for (const place of places) {
    const failure = failureOf(await send(effect, { url: via(outer.origin, 302, place) }));
    assert.equal(failure.reason, 'egress_denied', place);
    assert.match(failure.message, /redirected to GET http:/);
  }
  assert.equal(inner.accepted(), 0);
});

test('a redirect to another scheme, to a user, to several places or to nonsense is refused', async () => {
  await using server = await startRedirector();
  using effect = httpEffect();
  for (const place of [
    'file:///etc/passwd',
    'javascript:1',
    'ftp://127.0.0.1/',
    'http://ana:pw@127.0.0.1/',
    'http://[',
    'http://256.1.1.1/',
  ]) {
    const failure = failureOf(await send(effect, { url: via(server.origin, 302, place) }));
    assert.equal(failure.reason, 'redirect', place);
  }
  const several = failureOf(await send(effect, { url: `${server.origin}/302?to=/a&to=/b` }));
  assert.equal(several.reason, 'redirect');
});

test('five redirects are followed, a sixth is not', async () => {
  await using server = await startHttpServer((request, response) => {
    const left = Number(request.url.slice(1));
    if (left === 0) response.end('arrived');
    else response.writeHead(302, { location: `/${left - 1}` }).end();
  });
  using effect = httpEffect();
  assert.equal(answerOf(await send(effect, { url: `${server.origin}/5` })).bodyText, 'arrived');
  const failure = failureOf(await send(effect, { url: `${server.origin}/6` }));
  assert.equal(failure.reason, 'redirect');
  assert.match(failure.message, /more than 5 redirects/);
});

test('credentials and headers of the author stay behind when the origin changes, and stay on when it does not', async () => {
  await using other = await startRedirector('127.0.0.2');
  await using server = await startRedirector();
  using effect = httpEffect();
  const headers = { Authorization: 'Bearer t', Cookie: 'sid=1', 'X-Api-Key': 'k', Accept: 'text/csv' };
  answerOf(await send(effect, { url: via(server.origin, 307, `${other.origin}/end`), headers }));
  const away = other.requests.at(-1);
  assert.ok(away);
  assert.deepEqual(
    [away.headers.authorization, away.headers.cookie, away.headers['x-api-key']],
    [undefined, undefined, undefined],
  );
  assert.equal(away.headers.accept, 'text/csv');
  answerOf(await send(effect, { url: via(server.origin, 307, '/end'), headers }));
  const stayed = server.requests.at(-1);
  assert.deepEqual([stayed?.headers.authorization, stayed?.headers['x-api-key']], ['Bearer t', 'k']);
});

test('another port is another origin', async () => {
  await using other = await startRedirector();
  await using server = await startRedirector();
  using effect = httpEffect();
  answerOf(await send(effect, { url: via(server.origin, 302, other.origin), headers: { authorization: 'Bearer t' } }));
  assert.equal(other.requests.at(-1)?.headers.authorization, undefined);
});

test('with redirect manual, and without a Location, the redirect is the answer', async () => {
  await using server = await startRedirector();
  using effect = httpEffect();
  const manual = answerOf(await send(effect, { url: via(server.origin, 302, '/end'), redirect: 'manual' }));
  assert.deepEqual([manual.status, manual.headers.location, manual.bodyText], [302, '/end', 'moved']);
  await using bare = await startHttpServer((_request, response) => response.writeHead(302).end());
  assert.equal(answerOf(await send(effect, { url: bare.origin })).status, 302);
});

test('a relative Location is taken from the address that answered, without its fragment', async () => {
  await using server = await startRedirector();
  using effect = httpEffect();
  answerOf(await send(effect, { url: via(`${server.origin}`, 302, 'sub/end?x=1#frag') }));
  assert.equal(server.requests.at(-1)?.url, '/sub/end?x=1');
});
