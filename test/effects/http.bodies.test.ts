import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerOf, failureOf, httpEffect, send } from './calls.ts';
import { startHttpServer } from './servers.ts';

const start = () => startHttpServer((_request, response) => response.end('ok'));

test('auth makes the header or the parameter that services ask for', async () => {
  await using server = await start();
  using effect = httpEffect();
  const ask = async (auth: object) => {
    answerOf(await send(effect, { url: `${server.origin}/x?a=1`, auth }));
    return server.requests.at(-1);
  };
  assert.equal((await ask({ type: 'bearer', token: 'abc' }))?.headers.authorization, 'Bearer abc');
  const basic = await ask({ type: 'basic', username: 'Aladdin', password: 'open sesame' });
  // The example of RFC 7617.
  assert.equal(basic?.headers.authorization, 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==');
  assert.equal((await ask({ type: 'apiKey', header: 'X-Api-Key', value: 'k1' }))?.headers['x-api-key'], 'k1');
  assert.equal((await ask({ type: 'apiKey', query: 'key', value: 'k 1&' }))?.url, '/x?a=1&key=k+1%26');
});

test('auth that says something else is refused, and shows nothing of it', async () => {
  await using server = await start();
  using effect = httpEffect();
  const wrong: [call: Record<string, unknown>, message: RegExp][] = [
    [{ auth: 'hunter22' }, /auth: got no object/],
    [{ auth: { type: 'digest', password: 'hunter22' } }, /auth\.type/],
    [{ auth: { type: 'bearer', token: 5 } }, /auth\.token: got a number/],
    [{ auth: { type: 'bearer', token: 'a', password: 'hunter22' } }, /auth\.password: got an unknown field/],
    [{ auth: { type: 'bearer', token: 'hunter22\r\nx: y' } }, /line end/],
    [{ auth: { type: 'basic', username: 'a:b', password: 'hunter22' } }, /colon/],
    [{ auth: { type: 'apiKey', value: 'hunter22' } }, /both or none/],
    [{ auth: { type: 'apiKey', value: 'hunter22', header: 'Host' } }, /headers/],
    [{ auth: { type: 'bearer', token: 'hunter22' }, headers: { Authorization: 'x' } }, /in "headers" too/],
  ];
  for (const [call, message] of wrong) {
    const failure = failureOf(await send(effect, { url: server.origin, ...call }));
    assert.equal(failure.reason, 'invalid_request');
    assert.match(failure.message, message);
    assert.doesNotMatch(failure.message, /hunter22/);
  }
  assert.equal(server.requests.length, 0);
});

test('a form is encoded as browsers do it', async () => {
  await using server = await start();
  using effect = httpEffect();
  const form = { name: 'Ada & co', tags: ['a', 'b'], count: 2, ok: true, none: null };
  answerOf(await send(effect, { method: 'POST', url: server.origin, form }));
  const seen = server.requests.at(-1);
  assert.equal(seen?.headers['content-type'], 'application/x-www-form-urlencoded');
  assert.equal(seen?.body, 'name=Ada+%26+co&tags=a&tags=b&count=2&ok=true');
});

test('multipart is what a parser of it reads', async () => {
  await using server = await start();
  using effect = httpEffect();
  const multipart = [
    { name: 'title', value: 'Año "nuevo"' },
    { name: 'meta', value: { a: [1] } },
    { name: 'file', base64: Buffer.from([0, 255, 13, 10, 45, 45]).toString('base64'), filename: 'a"b\r\n.bin' },
    { name: 'text', value: 'x', filename: 'x.csv', contentType: 'text/csv' },
  ];
  let raw = Buffer.alloc(0);
  answerOf(await send(effect, { method: 'POST', url: server.origin, multipart }));
  const seen = server.requests.at(-1);
  raw = Buffer.from(seen?.body ?? '', 'latin1');
  const contentType = seen?.headers['content-type'] ?? '';
  assert.match(contentType, /^multipart\/form-data; boundary=nflow-[0-9a-f]{36}$/);
  assert.ok(raw.length > 0);
  const parsed = await new Response(seen?.body, { headers: { 'content-type': contentType } }).formData();
  assert.equal(parsed.get('title'), 'Año "nuevo"');
  const file = parsed.get('file') as File;
  assert.equal(file.name, 'a"b\r\n.bin');
  assert.equal(file.type, 'application/octet-stream');
  assert.equal((parsed.get('text') as File).type, 'text/csv');
  assert.match(seen?.body ?? '', /name="meta"\r\nContent-Type: application\/json\r\n\r\n\{"a":\[1\]\}\r\n/);
});

test('two bodies, bodies of GET and wrong parts are refused', async () => {
  await using server = await start();
  using effect = httpEffect();
  const wrong: [call: Record<string, unknown>, message: RegExp][] = [
    [{ form: {}, body: 'x', bodyKind: 'text' }, /one of body, form and multipart/],
    [{ form: [] }, /form: got no object/],
    [{ form: { a: { b: 1 } } }, /form\.a/],
    [{ multipart: {} }, /multipart: got no list/],
    [{ multipart: [{ value: 'x' }] }, /multipart\[0\]\.name/],
    [{ multipart: [{ name: 'a', value: 'x', base64: 'eA==' }] }, /both or none/],
    [{ multipart: [{ name: 'a', base64: 'x' }] }, /base64/],
    [{ multipart: [{ name: 'a', value: 'x', contentType: 'a\r\nb' }] }, /contentType/],
    [{ method: 'GET', form: {} }, /a body with GET/],
  ];
  for (const [call, message] of wrong) {
    const failure = failureOf(await send(effect, { method: 'POST', url: server.origin, ...call }));
    assert.equal(failure.reason, 'invalid_request');
    assert.match(failure.message, message);
  }
  assert.equal(server.requests.length, 0);
});
