import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerOf, failureOf, send } from '../effects/calls.ts';
import { type SeenRequest, startHttpServer } from '../effects/servers.ts';
import { boundTo, claiming, httpWithSecrets, placeholderOf } from './calls.ts';

const value = 'sk_live_"q/uo+te"&<é>';
const token = placeholderOf('TOKEN');

/** Sends back what it got, in every form that services have. */
function startEcho() {
  return startHttpServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.setHeader('x-echo', request.headers['x-token'] ?? '');
    response.end(JSON.stringify(request));
  });
}

test('values are filled in where a secret may stand, each as its place needs it', async () => {
  await using server = await startEcho();
  using effect = httpWithSecrets([boundTo('TOKEN', value, `127.0.0.1:${server.port}`)]);
  const plain = 'sk_live_0123456789';
  using plainEffect = httpWithSecrets([boundTo('TOKEN', plain, `127.0.0.1:${server.port}`)]);
  const context = claiming(['TOKEN']);
  const post = { method: 'POST', url: `${server.origin}/${token}/x?key=${token}`, query: { more: token } };
  answerOf(await send(effect, { ...post, body: `{"a":"${token}"}`, bodyKind: 'json' }, context));
  const seen = server.requests.at(-1) as SeenRequest;
  const url = new URL(seen.url, server.origin);
  assert.equal(decodeURIComponent(url.pathname), `/${value}/x`);
  assert.deepEqual([url.searchParams.get('key'), url.searchParams.get('more')], [value, value]);
  assert.deepEqual(JSON.parse(seen.body), { a: value });

  answerOf(await send(effect, { method: 'POST', url: server.origin, form: { a: token, b: [1, token] } }, context));
  assert.deepEqual(new URLSearchParams(server.requests.at(-1)?.body).getAll('b'), ['1', value]);

  answerOf(await send(plainEffect, { url: server.origin, headers: { 'X-Token': `key ${token}` } }, context));
  assert.equal(server.requests.at(-1)?.headers['x-token'], `key ${plain}`);

  const basic = { type: 'basic', username: 'ada', password: token };
  answerOf(await send(effect, { url: server.origin, auth: basic }, context));
  const credentials = server.requests.at(-1)?.headers.authorization?.slice('Basic '.length) ?? '';
  assert.equal(Buffer.from(credentials, 'base64').toString(), `ada:${value}`);
});

test('a secret can be the whole address or its beginning, and is never shown', async () => {
  await using server = await startHttpServer((request, response) => response.end(`you called ${request.url}`));
  const secret = boundTo('HOOK', `${server.origin}/services/T0/verysecret`, `127.0.0.1:${server.port}`);
  using effect = httpWithSecrets([secret]);
  const hook = placeholderOf('HOOK');
  const answer = answerOf(await send(effect, { url: hook }, claiming(['HOOK'])));
  assert.equal(answer.bodyText, 'you called [secret HOOK]');
  assert.equal(effect.describe(JSON.stringify({ method: 'POST', url: hook })), 'POST {{secrets.HOOK}}');
  answerOf(await send(effect, { url: `${hook}/more` }, claiming(['HOOK'])));
  assert.equal(server.requests.at(-1)?.url, '/services/T0/verysecret/more');
  await server[Symbol.asyncDispose]();
  const failure = failureOf(await send(effect, { url: hook }, claiming(['HOOK'])));
  assert.equal(failure.reason, 'connect');
  assert.doesNotMatch(failure.message, /verysecret/);
});

test('what comes back has the value replaced: in headers, in texts, encoded, inside of JSON', async () => {
  await using server = await startHttpServer((request, response) => {
    const echoed = request.headers.authorization ?? '';
    const said = echoed.slice('Bearer '.length);
    response.setHeader('content-type', 'application/json');
    response.setHeader('x-echo', echoed);
    response.setHeader('set-cookie', [`session=${encodeURIComponent(said)}`]);
    response.end(
      JSON.stringify({
        [said]: 1,
        plain: `before${said}after`,
        nested: JSON.stringify({ deep: JSON.stringify({ said }) }),
        url: `https://x/?t=${encodeURIComponent(said)}`,
        form: new URLSearchParams({ said }).toString(),
        base64: [0, 1, 2].map((before) => Buffer.from(`${'u'.repeat(before)}${said}tail`).toString('base64')),
        base64url: Buffer.from(`:${said}`).toString('base64url'),
        hex: Buffer.from(said).toString('hex'),
      }),
    );
  });
  const plain = 'a/b+c="d e\\f&g';
  using effect = httpWithSecrets([boundTo('TOKEN', plain, `127.0.0.1:${server.port}`)]);
  const call = { url: server.origin, auth: { type: 'bearer', token } };
  const { headers, bodyText } = answerOf(await send(effect, call, claiming(['TOKEN'])));
  assert.equal(server.requests.at(-1)?.headers.authorization, `Bearer ${plain}`);
  assert.equal(headers['x-echo'], 'Bearer [secret TOKEN]');
  assert.deepEqual(headers['set-cookie'], ['session=[secret TOKEN]']);
  const body = JSON.parse(bodyText) as Record<string, string | string[]>;
  assert.equal(body['[secret TOKEN]'], 1);
  assert.equal(body.plain, 'before[secret TOKEN]after');
  assert.equal(JSON.parse(JSON.parse(body.nested as string).deep).said, '[secret TOKEN]');
  assert.equal(body.url, 'https://x/?t=[secret TOKEN]');
  assert.equal(body.form, 'said=[secret TOKEN]');
  for (const text of [...(body.base64 as string[]), body.base64url as string]) {
    assert.match(text, /x{8,}/);
    assert.doesNotMatch(Buffer.from(text, 'base64').toString('latin1'), /b\+c="d/);
  }
  assert.equal(body.hex, '[secret TOKEN]');
});

test('a value of digits is taken out of a body too, which stays a text', async () => {
  await using server = await startHttpServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end('{"pin":12345678,"bodyText":"12345678"}');
  });
  using effect = httpWithSecrets([boundTo('PIN', '12345678', '127.0.0.1')]);
  const { bodyText } = answerOf(await send(effect, { url: server.origin }, claiming([])));
  assert.equal(bodyText, '{"pin":[secret PIN],"bodyText":"[secret PIN]"}');
});

test('a secret is refused where it is not bound, not declared, not granted, or may not stand', async () => {
  await using server = await startEcho();
  const here = `127.0.0.1:${server.port}`;
  const call = { url: `${server.origin}/path`, auth: { type: 'bearer', token } };
  const cases: [bound: string, call: Record<string, unknown>, declared: string[], workflow: string, reason: string][] =
    [
      ['127.0.0.1', call, ['TOKEN'], 'orders', 'secret_not_bound'],
      ['api.example.com', call, ['TOKEN'], 'orders', 'secret_not_bound'],
      [`127.0.0.1:${server.port + 1}`, call, ['TOKEN'], 'orders', 'secret_not_bound'],
      [here, call, [], 'orders', 'secret_not_granted'],
      [here, call, ['TOKEN'], 'invoices', 'secret_not_granted'],
      [here, { url: server.origin, method: token }, ['TOKEN'], 'orders', 'secret_not_allowed'],
      [here, { url: `http://${token}.example.com/` }, ['TOKEN'], 'orders', 'secret_not_allowed'],
      [here, { url: `http:/${token}/` }, ['TOKEN'], 'orders', 'secret_not_allowed'],
      [here, { url: `http://user:${token}@${here}/` }, ['TOKEN'], 'orders', 'secret_not_allowed'],
      [here, { url: token }, ['TOKEN'], 'orders', 'secret_not_allowed'],
    ];
  for (const [bound, one, declared, workflow, reason] of cases) {
    using effect = httpWithSecrets([boundTo('TOKEN', 'sk_live_0123', bound)]);
    const failure = failureOf(await send(effect, one, claiming(declared, workflow)));
    assert.equal(failure.code, 'not_granted');
    assert.equal(failure.reason, reason);
    assert.equal(failure.retryable, false);
    assert.doesNotMatch(failure.message, /sk_live/i);
  }
  assert.equal(server.requests.length, 0);
});

test('text that only looks like a placeholder stays what it is', async () => {
  await using server = await startEcho();
  using effect = httpWithSecrets([boundTo('TOKEN', 'sk_live_0123', `127.0.0.1:${server.port}`)]);
  const foreign = placeholderOf('TOKEN', 'ffeeddccbbaa99887766554433221100');
  answerOf(await send(effect, { url: server.origin, headers: { 'x-token': foreign } }, claiming(['TOKEN'])));
  assert.equal(server.requests.at(-1)?.headers['x-token'], foreign);
});

test('executions share a kept result although their placeholders differ, and nobody can write what they share', () => {
  using effect = httpWithSecrets([]);
  const call = { kind: 'http', argumentsJson: `{"token":"${token}"}` };
  const other = { ...claiming(null), secrets: { seed: 'f'.repeat(32), declared: null } };
  const otherCall = { kind: 'http', argumentsJson: `{"token":"${placeholderOf('TOKEN', 'f'.repeat(32))}"}` };
  const shared = effect.cacheTextOf?.(call, claiming(null));
  assert.equal(effect.cacheTextOf?.(otherCall, other), shared);
  assert.notEqual(effect.cacheTextOf?.(call, other), shared);
  assert.match(shared ?? '', /\0/);
});

test('a redirect to another host takes no secret along', async (t) => {
  await using other = await startHttpServer((request, response) => response.end(request.method), '127.0.0.2');
  await using server = await startHttpServer((request, response) => {
    const to = request.url.startsWith('/echo') ? `${other.origin}/?t=${request.headers.authorization}` : other.origin;
    response.writeHead(307, { location: to }).end();
  });
  using effect = httpWithSecrets([boundTo('TOKEN', 'sk_live_0123', `127.0.0.1:${server.port}`)]);
  const context = claiming(['TOKEN']);
  await t.test('headers stay behind, those that others may keep too', async () => {
    const headers = { 'user-agent': `me ${token}`, 'accept-language': 'es' };
    answerOf(await send(effect, { url: server.origin, headers, auth: { type: 'bearer', token } }, context));
    const seen = other.requests.at(-1) as SeenRequest;
    assert.doesNotMatch(JSON.stringify(seen), /sk_live/);
    assert.equal(seen.headers['accept-language'], 'es');
  });
  await t.test('a body with one is not sent', async () => {
    const before = other.requests.length;
    for (const body of [{ body: `a ${token}`, bodyKind: 'text' }, { form: { token } }]) {
      const failure = failureOf(await send(effect, { method: 'POST', url: server.origin, ...body }, context));
      assert.equal(failure.reason, 'redirect');
      assert.match(failure.message, /secret/);
    }
    assert.equal(other.requests.length, before);
  });
  await t.test('nor an address with one', async () => {
    const call = { url: `${server.origin}/echo`, auth: { type: 'bearer', token } };
    assert.equal(failureOf(await send(effect, call, context)).reason, 'redirect');
  });
  await t.test('a host that it is bound to gets the body', async () => {
    const secret = boundTo('TOKEN', 'sk_live_0123', `127.0.0.1:${server.port}`, `127.0.0.2:${other.port}`);
    using both = httpWithSecrets([secret]);
    answerOf(await send(both, { method: 'POST', url: server.origin, body: token, bodyKind: 'text' }, context));
    assert.equal(other.requests.at(-1)?.body, 'sk_live_0123');
  });
});
