import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertSameAsNode } from '../support/same-as-node.ts';
import { codeNode, failure, Guest, programOf } from '../support/vm.ts';

const answer = (status: number, bodyKind: string, bodyText: string, headers: Record<string, unknown> = {}): string =>
  JSON.stringify({ status, headers, bodyKind, bodyText });

function start(source: string) {
  const guest = new Guest(programOf([codeNode('only', source)]));
  const started = guest.start();
  assert.ok(started.kind === 'waits', JSON.stringify(started));
  return { guest, run: started.run, effects: started.effects };
}

test('fetch is the effect http, and no status makes it throw', () => {
  const { guest, run, effects } = start(`
    const response = await fetch(new URL('/b?c=d', 'http://A.example/'), { method: 'post', headers: { 'X-A': '1' }, body: JSON.stringify({ x: 1 }) });
    return [response.status, response.ok, response.headers.get('X-B'), response.headers.getSetCookie(), await response.json(), response.bodyUsed, response.url];`);
  assert.deepEqual(effects[0]?.slice(0, 4), ['only', 1, 1, 'http']);
  assert.deepEqual(JSON.parse(String(effects[0]?.[4])), {
    method: 'POST',
    url: 'http://a.example/b?c=d',
    headers: { 'content-type': 'text/plain;charset=UTF-8', 'x-a': '1' },
    query: null,
    body: '{"x":1}',
    bodyKind: 'text',
    timeoutMs: null,
    redirect: 'follow',
  });
  const end = guest.deliver(
    run,
    'only',
    1,
    answer(503, 'json', '{"no":true}', { 'x-b': 'y', 'set-cookie': ['a=1', 'b=2'] }),
  );
  assert.ok(end.kind === 'ended');
  assert.deepEqual(end.output, [503, false, 'y', ['a=1', 'b=2'], { no: true }, true, 'http://a.example/b?c=d']);
  guest.vm.dispose();
});

test('bytes go out and come in as bytes', () => {
  const { guest, run, effects } = start(`
    const response = await fetch('http://a/', { method: 'PUT', body: Uint8Array.of(0, 255, 7) });
    return [[...await response.clone().bytes()], (await response.blob()).type, await response.text().catch((error) => error.name)];`);
  const call = JSON.parse(String(effects[0]?.[4])) as Record<string, unknown>;
  assert.deepEqual([call.body, call.bodyKind, call.headers], ['AP8H', 'base64', null]);
  const end = guest.deliver(run, 'only', 1, answer(200, 'base64', 'AQL/', { 'content-type': 'image/png' }));
  assert.deepEqual(end.kind === 'ended' && end.output, [[1, 2, 255], 'image/png', 'TypeError']);
  guest.vm.dispose();
});

test('forms leave as forms', () => {
  const { guest, effects } = start(`
    const form = new FormData();
    form.append('a"b', 'x'); form.append('file', new File(['data'], 'f.txt', { type: 'text/plain' }));
    await Promise.all([fetch('http://a/', { method: 'POST', body: form }), fetch('http://a/', { method: 'POST', body: new URLSearchParams({ q: 'ü &' }) })]);`);
  const [multipart, encoded] = effects.map(
    (effect) => JSON.parse(String(effect[4])) as { headers: Record<string, string>; body: string },
  );
  const boundary = /boundary=(.*)$/.exec(multipart?.headers['content-type'] ?? '')?.[1];
  assert.equal(
    Buffer.from(multipart?.body ?? '', 'base64').toString(),
    `--${boundary}\r\nContent-Disposition: form-data; name="a%22b"\r\n\r\nx\r\n--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\nContent-Type: text/plain\r\n\r\ndata\r\n--${boundary}--\r\n`,
  );
  assert.deepEqual(
    [encoded?.body, encoded?.headers['content-type']],
    ['q=%C3%BC+%26', 'application/x-www-form-urlencoded;charset=UTF-8'],
  );
  guest.vm.dispose();
});

test('an aborted fetch rejects at once and is taken back; what still comes for it finds nobody', () => {
  const { guest, run, effects } = start(`
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('enough')), 5);
    const said = await fetch('http://a/', { signal: controller.signal }).catch((error) => error.message);
    await ctx.sleep(1);
    return said;`);
  assert.deepEqual(
    effects.map((effect) => [effect[2], effect[3]]),
    [
      [-1, 'timer'],
      [1, 'http'],
    ],
  );
  const aborted = guest.deliver(run, 'only', -1, 'null');
  assert.ok(aborted.kind === 'waits');
  assert.deepEqual(aborted.effects, [
    ['only', 1, 1, 'cancel', ''],
    ['only', 1, 2, 'sleep', '{"ms":1}'],
  ]);
  assert.equal(guest.deliver(run, 'only', 1, answer(200, 'none', '')).kind, 'waits');
  const end = guest.deliver(run, 'only', 2, 'null');
  assert.equal(end.kind === 'ended' && end.output, 'enough');
  guest.vm.dispose();
});

test('a fetch that is aborted in the segment that began it never leaves', () => {
  const { guest, effects } = start(`
    const controller = new AbortController();
    const call = fetch('http://a/', { method: 'POST', signal: controller.signal }).catch(() => {});
    await null; controller.abort();
    await ctx.sleep(1);`);
  assert.deepEqual(
    effects.map((effect) => effect[3]),
    ['sleep'],
  );
  guest.vm.dispose();
});

test('a call without an answer rejects, and ends the run as effect_failed when nobody catches it', () => {
  const { guest, run } = start('await fetch("http://a/");');
  const failed = JSON.stringify({ code: 'effect_failed', message: 'refused', reason: 'connect', retryable: true });
  const end = guest.deliver(run, 'only', 1, failed, { ok: false });
  assert.deepEqual(end.kind === 'failed' && [end.error.code, end.error.reason], ['effect_failed', 'connect']);
  guest.vm.dispose();
  for (const [source, message] of [
    ["await fetch('/relative');", /Invalid URL/],
    ["await fetch('http://u:p@a/');", /Authorization/],
    ["await fetch('http://a/', { body: 'x' });", /GET request has no body/],
    ["await fetch('http://a/', { method: 'TRACE' });", /TRACE/],
    ["await fetch('http://a/', { headers: { 'a b': '1' } });", /not the name of a header/],
    ["await fetch('http://a/', { headers: { a: 'x\\r\\ny' } });", /line ends/],
  ] as const) {
    assert.match(String(failure(source).message), message);
  }
});

test('Headers, Request, Response, FormData and Blob do what they do in Node', async () => {
  await assertSameAsNode(`
    const out = [];
    const headers = new Headers([['B', '2'], ['a', ' 1 '], ['b', '3'], ['set-cookie', 'x'], ['Set-Cookie', 'y']]);
    out.push([...headers], headers.get('B'), headers.getSetCookie(), headers.has('c'), headers.get('c'));
    headers.set('b', '4'); headers.delete('a'); out.push([...headers.keys()], [...headers.values()]);
    const request = new Request('http://a/b#c', { method: 'put', body: 'text', headers: { x: '1' } });
    out.push(request.method, request.url, request.headers.get('content-type'), await request.clone().text(), await request.text(), request.bodyUsed);
    for (const bad of [() => new Request('x'), () => new Request('http://a', { method: 'GET', body: 'x' }), () => new Response('x', { status: 204 }), () => new Response('', { status: 99 }), () => new Headers([['a']]), () => Response.redirect('http://a', 200)])
      try { bad(); out.push('fine'); } catch (error) { out.push(error.name); }
    const response = new Response('{"a":1}', { status: 201, statusText: 'Made', headers: { 'content-type': 'application/json' } });
    out.push(response.status, response.ok, response.statusText, response.type, response.redirected, await response.clone().json(), new TextDecoder().decode(await response.arrayBuffer()));
    out.push(await Response.json({ b: 2 }).json(), Response.redirect('http://a/x').headers.get('location'), Response.error().status, Response.error().type);
    out.push(await new Response(new URLSearchParams('q=1&q=2')).formData().then((form) => [...form]));
    const form = new FormData(); form.append('a', '1'); form.append('a', '2'); form.set('b', 3); form.set('a', '9'); form.append('f', new Blob(['x']));
    out.push([...form.keys()], form.get('a'), form.getAll('b'), form.has('z'), form.get('f') instanceof File, form.get('f').name);
    const blob = new Blob(['ab', new Uint8Array([99]), new Blob(['d'])], { type: 'Text/Plain' });
    out.push(blob.size, blob.type, await blob.text(), await blob.slice(1, 3).text(), await blob.slice(-1).text(), [...new Uint8Array(await blob.arrayBuffer())]);
    const file = new File(['x'], 'n.txt', { lastModified: 5 }); out.push(file.name, file.lastModified, file instanceof Blob);
    return out;`);
});
