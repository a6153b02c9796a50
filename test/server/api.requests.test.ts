/** What administration refuses before a route looks at it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessTable } from '../../src/server/access-table.ts';
import { adminToken, type ServerUnderTest, startServer } from './server-under-test.ts';

let under: ServerUnderTest;
before(async () => {
  under = await startServer({ options: { checkAnswers: true } });
});
after(() => under[Symbol.asyncDispose]());

interface Problem {
  code: string;
  errors?: { pointer: string; got: string; expected: string; line: number; column: number }[];
}

async function send(method: string, path: string, body?: string | Buffer<ArrayBuffer>, type = 'application/json') {
  const headers = { authorization: `Bearer ${adminToken}`, ...(body === undefined ? {} : { 'content-type': type }) };
  const answer = await fetch(under.origin + path, { method, headers, ...(body === undefined ? {} : { body }) });
  assert.equal(answer.headers.get('content-type'), 'application/problem+json');
  return { status: answer.status, allow: answer.headers.get('allow'), problem: (await answer.json()) as Problem };
}

const draft = '/nflow/api/v1/workflows/some/draft';

const wrongBodies: [what: string, body: string | Buffer<ArrayBuffer>, line: number, column: number, got: string][] = [
  ['ends too early', '{\n  "definition": {', 2, 18, 'the end of the body'],
  ['has a comma too many', '{ "a": 1,\n }', 2, 2, '"}"'],
  ['is a word', 'hello', 1, 1, '"hello"'],
  ['has a comment', '{\n// no\n}', 2, 1, '"// no\\n}"'],
  ['is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 1, 1, 'bytes that are not UTF-8'],
  ['is nested too deeply', '['.repeat(100_000), 1, 1, 'more than 80 levels of objects and arrays'],
];
for (const [what, body, line, column, got] of wrongBodies) {
  test(`a body that ${what} is answered 400 with its place`, async () => {
    const { status, problem } = await send('PUT', draft, body);
    assert.deepEqual([status, problem.code], [400, 'bad_body']);
    const [item] = problem.errors ?? [];
    assert.deepEqual([item?.line, item?.column, item?.got], [line, column, got]);
  });
}

test('a body of another type is answered 415, one that is too large 413', async () => {
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
  ]) {
    const { status, problem } = await send('PUT', draft, '{}', type);
    assert.deepEqual([status, problem.code], [415, 'unsupported_media_type'], type);
  }
  const { status, problem } = await send('PUT', draft, ' '.repeat(33 * 1024 * 1024));
  assert.deepEqual([status, problem.code], [413, 'body_too_large']);
});

test('JSON types of every kind are taken as JSON', async () => {
  for (const type of ['application/json; charset=utf-8', 'Application/JSON', 'application/merge-patch+json']) {
    const { problem } = await send('PUT', draft, '{}', type);
    assert.equal(problem.code, 'invalid_input', type);
  }
});

test('a missing, an unknown and a wrong part are each named', async () => {
  const body = JSON.stringify({ definition: 7, files: { 'a.ts': 1 }, __proto__: 1, colour: 'red' }).replace(
    '{',
    '{"__proto__":1,',
  );
  const { status, problem } = await send('PUT', draft, body);
  assert.equal(status, 400);
  const pointers = problem.errors?.map(({ pointer }) => pointer);
  for (const pointer of ['/definition', '/files/a.ts'])
    assert.ok(pointers?.includes(pointer), `${pointer}: ${pointers}`);
  assert.match(JSON.stringify(problem.errors), /colour/);
  assert.match(JSON.stringify(problem.errors), /__proto__/);
});

test('an address that answers other methods says which', async () => {
  for (const [method, path, allow] of [
    ['DELETE', '/nflow/api/v1/workflows', 'GET, HEAD, POST'],
    ['POST', '/nflow/api/v1/workflows/some', 'GET, HEAD, DELETE'],
    ['PATCH', draft, 'GET, HEAD, PUT, DELETE'],
    ['GET', '/nflow/api/v1/workflows/some/publish', 'POST'],
    ['POST', '/nflow/api/v1/executions/events', 'GET, HEAD'],
    ['POST', '/health', 'GET, HEAD'],
    ['OPTIONS', '/nflow/api/v1/system/', 'GET, HEAD'],
  ] as const) {
    const answer = await send(method, path);
    assert.deepEqual([answer.status, answer.problem.code, answer.allow], [405, 'method_not_allowed', allow], path);
  }
});

test('an address that there is not is answered 404, whatever is sent to it', async () => {
  for (const path of [
    '/nflow',
    '/nflow/',
    '/nflow/api',
    '/nflow/api/v2/workflows',
    '/nflow/api/v1/workflows/a/b/c',
    '/_nflow/x',
  ]) {
    for (const [method, body, type] of [
      ['GET', undefined, undefined],
      ['POST', '<a/>', 'text/xml'],
      ['PUT', '{"', 'application/json'],
    ] as const) {
      const { status, problem } = await send(method, path, body, type);
      assert.deepEqual([status, problem.code], [404, 'not_found'], `${method} ${path}`);
    }
  }
});

test('without a database the parts that need one say so', async () => {
  for (const [method, path, body] of [
    ['GET', '/nflow/api/v1/workflows', undefined],
    ['GET', '/nflow/api/v1/executions/events', undefined],
    ['GET', '/nflow/api/v1/servers', undefined],
    ['POST', '/nflow/api/v1/workflows/some/test', '{}'],
  ] as const) {
    const { status, problem } = await send(method, path, body);
    assert.deepEqual([status, problem.code], [501, 'not_available'], path);
  }
});

test('every route that writes asks for the token', async () => {
  const writing = Object.entries(accessTable).filter(([, access]) => access === 'write');
  assert.ok(writing.length >= 8);
  for (const [route] of writing) {
    const [method = '', path = ''] = route.split(' ');
    const answer = await fetch(under.origin + path.replaceAll(/:\w+/g, 'x'), { method });
    assert.equal(answer.status, 401, route);
    await answer.body?.cancel();
  }
});
