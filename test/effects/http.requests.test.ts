import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { answerOf, contextOf, failureOf, httpArguments, httpEffect, send } from './calls.ts';
import { type RealServer, type SeenRequest, startHttpServer } from './servers.ts';

let server: RealServer;
const effect = httpEffect();

before(async () => {
  server = await startHttpServer((_request, response) => response.end('ok'));
});

after(async () => {
  effect.close();
  await server[Symbol.asyncDispose]();
});

async function seen(call: Record<string, unknown>): Promise<SeenRequest> {
  answerOf(await send(effect, { url: `${server.origin}/path`, ...call }));
  return server.requests.at(-1) as SeenRequest;
}

async function refusal(call: Record<string, unknown>): Promise<string> {
  const before = server.requests.length;
  const failure = failureOf(await send(effect, { url: `${server.origin}/path`, ...call }));
  assert.equal(failure.code, 'effect_failed');
  assert.equal(failure.reason, 'invalid_request', failure.message);
  assert.equal(failure.retryable, false);
  assert.equal(server.requests.length, before, 'something was sent');
  return failure.message;
}

test('method, path, query, headers and a JSON body arrive as they were given', async () => {
  const request = await seen({
    method: 'POST',
    url: `${server.origin}/api/orders?id=1`,
    headers: { 'X-Customer': 'Ana', Authorization: 'Bearer t' },
    body: '{"total":10}',
    bodyKind: 'json',
  });
  assert.equal(request.method, 'POST');
  assert.equal(request.url, '/api/orders?id=1');
  assert.equal(request.headers['x-customer'], 'Ana');
  assert.equal(request.headers.authorization, 'Bearer t');
  assert.equal(request.headers['content-type'], 'application/json');
  assert.equal(request.headers['content-length'], '12');
  assert.equal(request.headers.host, `127.0.0.1:${server.port}`);
  assert.equal(request.headers['accept-encoding'], 'identity');
  assert.equal(request.body, '{"total":10}');
});

test('the query is added to the one in the address, whose escapes stay as they are', async () => {
  const query = { q: 'a b&c', page: 2, tags: ['x', 'y'], all: true, none: null };
  const added = await seen({ url: `${server.origin}/search?sig=a%20b%2F`, query });
  assert.equal(added.url, '/search?sig=a%20b%2F&q=a+b%26c&page=2&tags=x&tags=y&all=true');
  assert.equal((await seen({ query: { a: 1 } })).url, '/path?a=1');
  assert.equal((await seen({ query: {} })).url, '/path');
});

test('the content type follows the kind of body unless the author sets one', async () => {
  const types = [
    await seen({ method: 'PUT', body: 'hola', bodyKind: 'text' }),
    await seen({ method: 'PUT', body: 'AAEC', bodyKind: 'base64' }),
    await seen({ method: 'PUT', body: '{}', bodyKind: 'json', headers: { 'Content-Type': 'application/ld+json' } }),
    await seen({ method: 'POST' }),
  ].map((request) => request.headers['content-type']);
  assert.deepEqual(types, ['text/plain;charset=UTF-8', 'application/octet-stream', 'application/ld+json', undefined]);
});

test('a base64 body is sent as its bytes, a text body as UTF-8', async () => {
  assert.equal((await seen({ method: 'POST', body: 'aG9sYQ==', bodyKind: 'base64' })).body, 'hola');
  assert.equal((await seen({ method: 'POST', body: 'año ✓', bodyKind: 'text' })).body, 'año ✓');
});

test('the idempotency key is sent on every method but GET and HEAD, and the author may choose it', async () => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'post', 'PURGE']) {
    assert.equal((await seen({ method })).headers['idempotency-key'], 'key-1', method);
  }
  for (const method of ['GET', 'HEAD', 'get']) {
    assert.equal((await seen({ method })).headers['idempotency-key'], undefined, method);
  }
  const own = await seen({ method: 'POST', headers: { 'idempotency-KEY': 'mine' } });
  assert.equal(own.headers['idempotency-key'], 'mine');
});

test('defaults give way to what the author sets', async () => {
  const request = await seen({ headers: { Accept: 'text/csv', 'User-Agent': 'shop/1', 'Accept-Encoding': 'gzip' } });
  assert.equal(request.headers.accept, 'text/csv');
  assert.equal(request.headers['user-agent'], 'shop/1');
  assert.equal(request.headers['accept-encoding'], 'gzip');
});

test('every call says that a workflow makes it, and the author cannot hide that', async () => {
  const request = await seen({ headers: { 'Nflow-Effect': '' } });
  assert.equal(request.headers['nflow-effect'], 'first');
});

test('headers that frame the message or speak to the next hop are refused', async () => {
  const names = [
    'Host',
    'content-length',
    'Transfer-Encoding',
    'connection',
    'Keep-Alive',
    'Upgrade',
    'Expect',
    'TE',
    'Trailer',
  ];
  for (const name of [...names, 'Proxy-Authorization', 'proxy-anything', 'HTTP2-Settings']) {
    assert.match(await refusal({ headers: { [name]: '1' } }), new RegExp(`headers\\.${name}`));
  }
});

test('line ends, NUL and other controls in headers and addresses are refused', async () => {
  for (const text of ['a\r\nX-Evil: 1', 'a\nb', 'a\rb', 'a\u0000b', 'a\u007fb', 'a\u000bb', 'a\u2028b', 'a\u010ab']) {
    await refusal({ headers: { 'x-a': text } });
    await refusal({ headers: { [`x-${text}`]: 'a' } });
  }
  for (const text of ['\r\nX-Evil: 1', '\n', '\r', '\t', '\u0000', '\u007f', ' HTTP/1.1\r\nHost: evil']) {
    await refusal({ url: `${server.origin}/a${text}b` });
    await refusal({ url: `http://127.0.0.1${text}:${server.port}/` });
  }
});

test('characters that would end the request line are escaped in path and query', async () => {
  assert.equal((await seen({ url: `${server.origin}/a b?c d` })).url, '/a%20b?c%20d');
  assert.equal((await seen({ url: `${server.origin}/ñ\u2028` })).url, '/%C3%B1%E2%80%A8');
  assert.equal((await seen({ query: { a: '\r\nX-Evil: 1' } })).url, '/path?a=%0D%0AX-Evil%3A+1');
  assert.equal((await seen({ url: `${server.origin}/a#secret` })).url, '/a');
});

test('a user or password in the address is refused and not repeated in the message', async () => {
  for (const userinfo of ['ana:hunter2@', 'ana@', ':hunter2@']) {
    const message = await refusal({ url: `http://${userinfo}127.0.0.1:${server.port}/` });
    assert.match(message, /Authorization header/);
    assert.doesNotMatch(message, /hunter2|ana/);
  }
  assert.doesNotMatch(await refusal({ url: '//ana:hunter2@host' }), /hunter2/);
});

test('arguments that are not what the kernel sends are refused, naming the field', async () => {
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ method: 'CONNECT' }, /method/],
    [{ method: 'TRACE' }, /method/],
    [{ method: 'GET /x' }, /method/],
    [{ method: '' }, /method/],
    [{ method: 5 }, /method/],
    [{ url: 5 }, /url/],
    [{ url: '/relative' }, /url/],
    [{ url: 'ftp://127.0.0.1/' }, /url/],
    [{ url: `${server.origin}/${'a'.repeat(20_000)}` }, /url/],
    [{ query: 'a=1' }, /query/],
    [{ query: { a: { b: 1 } } }, /query\.a/],
    [{ query: { a: 'x'.repeat(20_000) } }, /query/],
    [{ headers: ['a'] }, /headers/],
    [{ headers: { a: 1 } }, /headers\.a/],
    [{ headers: { a: '1', A: '2' } }, /twice/],
    [{ headers: { a: 'x'.repeat(70_000) } }, /headers/],
    [{ headers: { '': 'x' } }, /headers/],
    [{ method: 'POST', body: {} }, /body/],
    [{ method: 'POST', body: 'a', bodyKind: 'form' }, /bodyKind/],
    [{ method: 'POST', body: 'not base64!', bodyKind: 'base64' }, /base64/],
    [{ method: 'POST', body: 'YQ', bodyKind: 'base64' }, /base64/],
    [{ body: 'a', bodyKind: 'text' }, /body/],
    [{ method: 'HEAD', body: 'a', bodyKind: 'text' }, /body/],
    [{ timeoutMs: 0 }, /timeoutMs/],
    [{ timeoutMs: '5s' }, /timeoutMs/],
    [{ timeoutMs: 1e12 }, /timeoutMs/],
    [{ redirect: 'error' }, /redirect/],
    [{ agent: 'x' }, /agent/],
  ];
  for (const [call, says] of wrong) assert.match(await refusal(call), says, JSON.stringify(call).slice(0, 80));
});

test('arguments that are no object are refused and never throw', async () => {
  for (const argumentsJson of ['', '{', 'null', '[]', '5', '"x"', '{"__proto__":1}']) {
    const result = await effect.perform({ kind: 'http', argumentsJson }, contextOf());
    assert.equal(failureOf(result).reason, 'invalid_request', argumentsJson);
    assert.equal(effect.describe(argumentsJson), 'http (invalid)');
    assert.equal(effect.isSafe(argumentsJson), false);
  }
});

test('an idempotency key that is no header value is refused, not sent', async () => {
  const before = server.requests.length;
  const context = { ...contextOf(), idempotencyKey: 'a\r\nX-Evil: 1' };
  const failure = failureOf(await send(effect, { method: 'POST', url: server.origin }, context));
  assert.equal(failure.reason, 'invalid_request');
  assert.equal(server.requests.length, before);
});

test('GET and HEAD are safe, everything else is not', () => {
  for (const method of ['GET', 'HEAD', 'get', 'Head']) {
    assert.equal(effect.isSafe(httpArguments({ method, url: 'http://a/' })), true, method);
  }
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'GETX']) {
    assert.equal(effect.isSafe(httpArguments({ method, url: 'http://a/' })), false, method);
  }
});

test('the description is method, origin and path, never query, user or fragment, and of bounded length', () => {
  const described = effect.describe(
    httpArguments({ method: 'post', url: 'http://127.0.0.1:8080/api/stock?key=s#t', query: { k: 's' } }),
  );
  assert.equal(described, 'POST http://127.0.0.1:8080/api/stock');
  assert.equal(effect.describe(httpArguments({ url: 'http://ana:pw@a/' })), 'http (invalid)');
  assert.ok(effect.describe(httpArguments({ url: `http://a/${'x'.repeat(5_000)}` })).length <= 200);
});

test('a call says whether it was sent before under its key, and nothing that the author sets changes that', async () => {
  const post = { method: 'POST', url: `${server.origin}/pay` };
  const sendingOf = async (call: Record<string, unknown>, isFirstSending: boolean): Promise<unknown> => {
    answerOf(await send(effect, { ...post, ...call }, { ...contextOf(), isFirstSending }));
    return server.requests.at(-1)?.headers['nflow-effect'];
  };
  assert.equal(await sendingOf({}, true), 'first');
  assert.equal(await sendingOf({}, false), 'later');
  assert.equal(await sendingOf({ headers: { 'Nflow-Effect': 'first' } }, false), 'later');
  // Others may send the same key: nothing is known about it here.
  assert.equal(await sendingOf({ headers: { 'idempotency-KEY': 'order-7' } }, true), 'later');
});
