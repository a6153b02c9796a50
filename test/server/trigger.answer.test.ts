import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Answer } from '../../src/engine/port.ts';
import { type ErrorCode, errorKinds, NflowError } from '../../src/errors.ts';
import {
  executionId,
  httpTrigger,
  okAnswer,
  RawClient,
  type ServerUnderTest,
  startServer,
  waitFor,
} from './server-under-test.ts';

let under: ServerUnderTest;
before(async () => {
  under = await startServer({
    triggers: [
      { trigger: httpTrigger({ method: 'GET' }), effectFree: true },
      { trigger: httpTrigger({ method: 'GET', path: '/free', sandboxHtml: false }) },
    ],
  });
});
after(() => under[Symbol.asyncDispose]());

function get(answer: Partial<Answer>, path = '/api/echo'): Promise<Response> {
  under.engine.answerWith = () => okAnswer(answer);
  return fetch(under.origin + path);
}

test('an output is answered as JSON with its length and the execution', async () => {
  const answer = await get({ body: Buffer.from('{"ä":1}') });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  assert.equal(answer.headers.get('content-length'), '8');
  assert.equal(answer.headers.get('nflow-execution-id'), executionId);
  assert.equal(answer.headers.get('nflow-request-id'), null);
  assert.equal(await answer.text(), '{"ä":1}');
});

test('a long output arrives as it is', async () => {
  const text = JSON.stringify('ä'.repeat(300_000));
  const answer = await get({ body: Buffer.from(text) });
  assert.equal(await answer.text(), text);
});

test('no output is 204 without a type', async () => {
  const answer = await get({ status: 204, body: null });
  assert.equal(answer.status, 204);
  assert.equal(answer.headers.get('content-type'), null);
  assert.equal(answer.headers.get('content-length'), null);
});

test('a workflow chooses status and headers', async () => {
  const answer = await get({ status: 201, headers: { location: '/x', 'set-cookie': ['a=1', 'b=2'] } });
  assert.equal(answer.status, 201);
  assert.equal(answer.headers.get('location'), '/x');
  assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2']);
  assert.equal(answer.headers.get('content-type'), 'application/json');
});

test('under another content type a JSON string is sent as the text itself', async () => {
  const html = await get({
    headers: { 'content-type': 'text/html; charset=utf-8' },
    body: Buffer.from('"<b>\\u00e4</b>"'),
  });
  assert.equal(await html.text(), '<b>ä</b>');
  const object = await get({ headers: { 'content-type': 'text/plain' }, body: Buffer.from('{"a":1}') });
  assert.equal(await object.text(), '{"a":1}');
  const json = await get({ headers: { 'content-type': 'application/ld+json' }, body: Buffer.from('"text"') });
  assert.equal(await json.text(), '"text"');
});

test('HTML is sandboxed unless the trigger opts out', async () => {
  const policy = 'sandbox allow-scripts allow-forms allow-popups';
  const html = { headers: { 'content-type': 'text/html' }, body: Buffer.from('"<b>"') };
  assert.equal((await get(html)).headers.get('content-security-policy'), policy);
  assert.equal((await get(html)).headers.get('x-content-type-options'), 'nosniff');
  assert.equal((await get(html, '/free')).headers.get('content-security-policy'), null);
  assert.equal(
    (await get({ ...html, headers: { 'content-type': 'IMAGE/SVG+XML' } })).headers.get('content-security-policy'),
    policy,
  );
  assert.equal(
    (await get({ ...html, headers: { 'content-type': 'text/plain' } })).headers.get('content-security-policy'),
    null,
  );
  for (const type of [
    'text/html ; charset=utf-8',
    'application/xhtml+xml',
    'text/xml',
    'multipart/x-mixed-replace',
    'text/htm',
    '',
  ]) {
    assert.equal(
      (await get({ ...html, headers: { 'content-type': type } })).headers.get('content-security-policy'),
      policy,
      type,
    );
  }
  for (const type of [
    'application/json',
    'application/problem+json',
    'image/png',
    'text/csv; charset=utf-8',
    'text/javascript',
  ]) {
    assert.equal(
      (await get({ ...html, headers: { 'content-type': type } })).headers.get('content-security-policy'),
      null,
      type,
    );
  }
  const own = await get({
    ...html,
    headers: { 'content-type': 'text/html', 'content-security-policy': "default-src 'self'" },
  });
  assert.equal(own.headers.get('content-security-policy'), `default-src 'self', ${policy}`);
});

test('HEAD has the headers of GET and no body', async () => {
  under.engine.answerWith = () => okAnswer();
  using client = await RawClient.connect(under.port);
  client.send('HEAD /api/echo HTTP/1.1\r\nHost: x\r\n\r\nGET /api/echo HTTP/1.1\r\nHost: x\r\n\r\n');
  const head = await client.answer(true);
  assert.equal(head.status, 200);
  assert.equal(head.headers.get('content-length'), '11');
  assert.equal((await client.answer()).body, '{"ok":true}');
});

test('a header that cannot be written costs one answer, not the server', async () => {
  const answer = await get({ headers: { 'x-bad': 'a\r\nset-cookie: b' } });
  assert.equal(answer.status, 500);
  assert.equal(answer.headers.get('set-cookie'), null);
  assert.equal(((await answer.json()) as { code: string }).code, 'internal_error');
  assert.equal((await get({})).status, 200);
});

const secretWords = 'at /srv/app/src/secret.ts: user said hunter2';
for (const code of Object.keys(errorKinds) as ErrorCode[]) {
  test(`an execution that ended with ${code} is a problem without the words of user code`, async () => {
    const isFail = code === 'workflow_failed';
    const message = isFail ? 'out of stock' : secretWords;
    const error = new NflowError(code, message, { node: 'price', got: 'x', expected: 'y' });
    const answer = await get({ executionId, status: error.status, body: null, error });
    assert.equal(answer.status, errorKinds[code].status);
    assert.equal(answer.headers.get('content-type'), 'application/problem+json');
    assert.equal(answer.headers.get('nflow-execution-id'), executionId);
    assert.equal(answer.headers.get('retry-after'), errorKinds[code].class === 'retryable' ? '1' : null);
    const problem = (await answer.json()) as Record<string, unknown>;
    assert.equal(problem.type, `urn:nflow:error:${code}`);
    assert.equal(problem.title, errorKinds[code].title);
    assert.equal(problem.status, errorKinds[code].status);
    assert.equal(problem.code, code);
    assert.equal(problem.executionId, executionId);
    assert.ok(typeof problem.detail === 'string' && problem.detail.length > 10);
    if (isFail) assert.equal(problem.detail, 'out of stock');
    assert.ok(!JSON.stringify(problem).includes('hunter2'));
  });
}

test('a fail node chooses status, reason and details', async () => {
  const error = new NflowError('workflow_failed', 'out of stock', {
    status: 409,
    cause: { reason: 'stock', details: { left: 0 } },
  });
  const answer = await get({ status: 409, body: null, error });
  assert.equal(answer.status, 409);
  const { detail, reason, details, code } = (await answer.json()) as Record<string, unknown>;
  assert.deepEqual(
    { detail, reason, details, code },
    { detail: 'out of stock', reason: 'stock', details: { left: 0 }, code: 'workflow_failed' },
  );
});

test('a bad body says what was got and what is expected', async () => {
  const error = new NflowError('bad_body', 'x', { got: 'Unexpected token', expected: 'a JSON text' });
  const answer = await get({ executionId: null, status: 400, body: null, error });
  assert.equal(answer.headers.get('nflow-execution-id'), null);
  const problem = (await answer.json()) as { errors: unknown; requestId: string };
  assert.deepEqual(problem.errors, [{ pointer: '', got: 'Unexpected token', expected: 'a JSON text' }]);
  assert.equal(problem.requestId, answer.headers.get('nflow-request-id'));
});

test('a commit whose outcome is not known says so', async () => {
  const error = new NflowError('store_unavailable', 'x', { got: 'outcome unknown' });
  const problem = (await (await get({ status: 503, body: null, error })).json()) as Record<string, unknown>;
  assert.equal(problem.outcome, 'unknown');
  assert.equal(problem.executionId, executionId);
});

test('answers to pipelined requests keep their order', async () => {
  under.engine.answerWith = null;
  using client = await RawClient.connect(under.port);
  client.send('GET /api/echo?n=1 HTTP/1.1\r\nHost: x\r\n\r\nGET /api/echo?n=2 HTTP/1.1\r\nHost: x\r\n\r\n');
  await waitFor(() => under.engine.pending.length === 2, 'both requests');
  const [first, second] = under.engine.pending.splice(0);
  second?.(okAnswer({ body: Buffer.from('2') }));
  first?.(okAnswer({ body: Buffer.from('1') }));
  assert.equal((await client.answer()).body, '1');
  assert.equal((await client.answer()).body, '2');
});

test('a client that leaves is told to the engine, once, and its late answer is dropped', async () => {
  under.engine.answerWith = null;
  const before = under.engine.left;
  const client = await RawClient.connect(under.port);
  client.send('GET /api/echo HTTP/1.1\r\nHost: x\r\n\r\n');
  await waitFor(() => under.engine.pending.length === 1, 'the request');
  client.socket.destroy();
  await waitFor(() => under.engine.left === before + 1, 'the engine to be told');
  under.engine.pending.splice(0)[0]?.(okAnswer());
  assert.equal((await get({})).status, 200);
  assert.equal(under.engine.left, before + 1);
  await waitFor(() => under.server.inflightBytes === 0, 'the bytes to be given back');
});

test('a client that leaves with several requests open leaves nothing behind', async () => {
  under.engine.answerWith = null;
  const before = under.engine.left;
  const client = await RawClient.connect(under.port);
  client.send('GET /api/echo HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3));
  await waitFor(() => under.engine.pending.length === 3, 'the requests');
  client.socket.destroy();
  await waitFor(() => under.engine.left === before + 3, 'the engine to be told of each');
  await waitFor(() => under.server.inflightBytes === 0, 'the bytes to be given back');
  for (const answerLate of under.engine.pending.splice(0)) answerLate(okAnswer());
  assert.equal((await get({})).status, 200);
  assert.equal(under.engine.left, before + 3);
});
