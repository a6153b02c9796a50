import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { z } from 'zod';
import { errorKinds } from '../../src/errors.ts';
import { accessTable } from '../../src/server/access-table.ts';
import { type ApiUnderTest, assertStatus, greeting, type Reply, startApi } from './api-under-test.ts';

interface Operation {
  operationId: string;
  security: object[];
  parameters?: { name: string; description?: string }[];
  responses: Record<string, { description: string; content?: Record<string, { schema: JsonSchema }> }>;
}
type JsonSchema = Record<string, unknown>;
interface Description {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, JsonSchema> };
}

let api: ApiUnderTest;
let description: Description;
before(async () => {
  api = await startApi({ withRunners: true });
  const reply = await api.call('GET', '/openapi.json');
  assertStatus(reply, 200);
  description = reply.body as unknown as Description;
});
after(() => api[Symbol.asyncDispose]());

/** As a schema that stands on its own: what it refers to lies within it. */
function schemaOf(schema: JsonSchema): z.ZodType {
  const text = JSON.stringify({ ...schema, $defs: description.components.schemas });
  return z.fromJSONSchema(JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')));
}

/** Asserts that the document describes this answer: its status, its type, its body. */
function assertDescribed(method: string, path: string, reply: Reply): void {
  const response = description.paths[path]?.[method.toLowerCase()]?.responses[String(reply.status)];
  assert.ok(response !== undefined, `${method} ${path} answered ${reply.status}, which is not described`);
  if (reply.status === 204) return;
  const type = (reply.type ?? '').split(';', 1)[0] as string;
  const content = response.content?.[type];
  assert.ok(content !== undefined, `${method} ${path} answered ${reply.status} as ${type}, which is not described`);
  const result = schemaOf(content.schema).safeParse(reply.body);
  assert.ok(
    result.success,
    `${method} ${path} ${reply.status}: ${result.error?.message} ${JSON.stringify(reply.body)}`,
  );
}

test('the document is valid OpenAPI 3.1', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(
    structuredClone(description) as unknown as Record<string, unknown>,
  );
  assert.ok(valid, JSON.stringify(errors));
  assert.equal(validator.version, '3.1');
  for (const { $ref } of JSON.stringify(description)
    .matchAll(/"\$ref":"(?<ref>[^"]+)"/g)
    .map(({ groups }) => ({ $ref: groups?.ref ?? '' }))) {
    assert.ok(Object.hasOwn(description.components.schemas, $ref.replace('#/components/schemas/', '')), $ref);
  }
});

test('the document has every route of the API, and says which need the token', () => {
  const routes = Object.keys(accessTable).filter(
    (route) => route.includes('/nflow/api/v1/') && !route.includes('openapi'),
  );
  const described = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  );
  assert.deepEqual(described.sort(), routes.sort());
  const security = (path: string, method: string) => description.paths[path]?.[method]?.security;
  assert.deepEqual(security('/nflow/api/v1/workflows', 'post'), [{ adminToken: [] }]);
  assert.deepEqual(security('/nflow/api/v1/workflows', 'get'), [{ adminToken: [] }, {}]);
  const ids = Object.values(description.paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );
  assert.equal(new Set(ids).size, ids.length);
});

test('parameters are described in words', () => {
  const parameters = description.paths['/nflow/api/v1/executions']?.get?.parameters ?? [];
  assert.deepEqual(
    parameters.map((parameter) => [parameter.name, parameter.description !== undefined]),
    ['workflow', 'status', 'from', 'to', 'text', 'cursor', 'limit'].map((name) => [name, true]),
  );
});

test('every answer says in words what it is', () => {
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const { responses } of Object.values(methods)) {
      for (const [status, answer] of Object.entries(responses)) {
        assert.match(answer.description, /^(?!Default Response)\S/, `${path} ${status}`);
      }
    }
  }
});

test('problems are described with every code that there is', () => {
  const problem = description.components.schemas.Problem as { properties: { code: { enum: string[] } } };
  assert.deepEqual(problem.properties.code.enum, Object.keys(errorKinds));
});

const name = '/nflow/api/v1/workflows/{name}';
const unknownId = '0199c0de-0000-7000-8000-0000000000aa';
const definition = greeting('described', '/described/:id');
/** In this order: each finds what those before it left. */
const calls: [method: string, path: string, real: string, status: number, body?: unknown][] = [
  ['PUT', `${name}/draft`, '/workflows/described/draft', 201, { definition }],
  ['PUT', `${name}/draft`, '/workflows/described/draft', 200, { definition }],
  ['PUT', `${name}/draft`, '/workflows/described/draft', 422, { definition: { name: 'described' } }],
  ['PUT', `${name}/draft`, '/workflows/described/draft', 400, '{"definition": '],
  ['PUT', `${name}/draft`, '/workflows/described/draft', 400, { definition, colour: 'red' }],
  ['GET', `${name}/draft`, '/workflows/described/draft', 200],
  ['GET', name, '/workflows/described', 200],
  ['POST', `${name}/test`, '/workflows/described/test', 200, { dryRun: true }],
  ['POST', `${name}/publish`, '/workflows/described/publish', 200],
  ['POST', `${name}/publish`, '/workflows/described/publish', 404],
  ['POST', `${name}/publish`, '/workflows/other/publish', 409, { definition: greeting('other', '/described/:other') }],
  ['GET', name, '/workflows/described', 200],
  ['GET', name, '/workflows/nobody', 404],
  ['GET', name, '/workflows/NOBODY', 400],
  ['POST', `${name}/publish`, '/workflows/described/publish', 200, { definition: greeting('described', '/d2') }],
  ['POST', `${name}/test`, '/workflows/described/test', 200, { input: { a: 1 }, version: 1 }],
  [
    'POST',
    `${name}/test`,
    '/workflows/described/test',
    200,
    { definition: { ...definition, nodes: { f: { type: 'fail', message: 'no' } } } },
  ],
  ['POST', `${name}/test`, '/workflows/described/test', 404, { version: 'draft' }],
  ['POST', `${name}/test`, '/workflows/described/test', 400, { body: 1, input: 2 }],
  ['GET', `${name}/versions`, '/workflows/described/versions', 200],
  ['GET', `${name}/versions/{version}`, '/workflows/described/versions/1', 200],
  ['GET', `${name}/versions/{version}`, '/workflows/described/versions/3', 404],
  ['GET', `${name}/diff`, '/workflows/described/diff?from=1&to=2', 200],
  ['GET', `${name}/diff`, '/workflows/described/diff', 400],
  ['POST', `${name}/rollback`, '/workflows/described/rollback', 200, { version: 1 }],
  ['POST', `${name}/rollback`, '/workflows/described/rollback', 404, { version: 50 }],
  ['POST', '/nflow/api/v1/workflows', '/workflows', 200, { workflows: [{ definition }, { definition: 'no json' }] }],
  ['GET', '/nflow/api/v1/workflows', '/workflows', 200],
  ['GET', '/nflow/api/v1/workflows', '/workflows?limit=0', 400],
  ['GET', '/nflow/api/v1/executions', '/executions', 200],
  ['GET', '/nflow/api/v1/executions', '/executions?from=yesterday', 400],
  ['GET', '/nflow/api/v1/executions/{id}', '/executions/00000000', 404],
  ['GET', '/nflow/api/v1/executions/{id}', '/executions/nonsense', 400],
  ['PUT', '/nflow/api/v1/executions/{id}/hold', `/executions/${unknownId}/hold`, 404],
  ['PUT', '/nflow/api/v1/executions/{id}/hold', '/executions/00000000/hold', 400],
  ['DELETE', '/nflow/api/v1/executions/{id}/hold', `/executions/${unknownId}/hold`, 404],
  ['PUT', '/nflow/api/v1/secrets/{name}', '/secrets/TOKEN', 200, { value: 'sk_live_0123', hosts: ['api.example.com'] }],
  ['PUT', '/nflow/api/v1/secrets/{name}', '/secrets/TOKEN', 400, { value: 123456, hosts: ['api.example.com'] }],
  ['PUT', '/nflow/api/v1/secrets/{name}', '/secrets/TOKEN', 400, { value: 'sk_live_0123', hosts: ['https://x'] }],
  ['GET', '/nflow/api/v1/secrets', '/secrets', 200],
  ['POST', '/nflow/api/v1/secrets/rotate-key', '/secrets/rotate-key', 200],
  ['DELETE', '/nflow/api/v1/secrets/{name}', '/secrets/TOKEN', 204],
  ['DELETE', '/nflow/api/v1/secrets/{name}', '/secrets/TOKEN', 404],
  ['GET', '/nflow/api/v1/system', '/system', 200],
  ['GET', '/nflow/api/v1/servers', '/servers', 200],
  ['POST', `${name}/unpublish`, '/workflows/described/unpublish', 204],
  ['DELETE', `${name}/draft`, '/workflows/described/draft', 404],
  ['DELETE', name, '/workflows/described', 204],
];

test('what the routes really answer is what the document says', async () => {
  const before = await fetch(`${api.origin}/described/1`);
  assert.equal(before.status, 404);
  for (const [method, path, real, status, body] of calls) {
    const reply = await api.call(method, real, body);
    assert.equal(reply.status, status, `${method} ${real}: ${JSON.stringify(reply.body)}`);
    assertDescribed(method, path, reply);
  }
  const covered = new Set(calls.map(([method, path]) => `${method} ${path}`));
  const all = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  // The stream has a test of its own.
  const rest = all.filter((route) => !covered.has(route) && !route.endsWith('/events') && !route.startsWith('DELETE'));
  assert.deepEqual(rest, []);
});

test('an execution of the history, with all that it can have, is what the document says', async () => {
  const failing = {
    ...greeting('failing', '/failing'),
    nodes: { bad: { type: 'code', code: "ctx.log.info('so far so good'); throw new Error('on purpose');" } },
  };
  assertStatus(await api.call('POST', '/workflows/failing/publish', { definition: failing }), 200);
  const answer = await fetch(`${api.origin}/failing`);
  assert.equal(answer.status, 500);
  const id = answer.headers.get('nflow-execution-id');
  const one = await api.call('GET', `/executions/${id}`);
  assertStatus(one, 200);
  assertDescribed('GET', '/nflow/api/v1/executions/{id}', one);
  assert.equal((one.body.error as { message: string }).message, 'on purpose');
  assert.equal((one.body.logs as unknown[]).length, 1);
  const list = await api.call('GET', '/executions?workflow=failing&status=failed&status=crashed&text=purpose');
  assertDescribed('GET', '/nflow/api/v1/executions', list);
  const until = new Date(Date.now() + 60_000).toISOString();
  for (const [method, body] of [
    ['PUT', { until }],
    ['PUT', undefined],
    ['DELETE', undefined],
  ] as const) {
    const held = await api.call(method, `/executions/${id}/hold`, body);
    assertStatus(held, 204);
    assertDescribed(method, '/nflow/api/v1/executions/{id}/hold', held);
  }
  assert.equal((list.body.items as unknown[]).length, 1);
});

test('the page for the document is whole in itself: nothing inline, nothing from elsewhere', async () => {
  const page = await fetch(`${api.origin}/nflow/api/docs`);
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
  const policy = page.headers.get('content-security-policy') ?? '';
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe|https?:/);
  const html = await page.text();
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/i);
  const addresses = [...html.matchAll(/\b(?:src|href)="([^"]+)"/g)].map(([, address = '']) => address);
  assert.deepEqual(
    addresses.filter((address) => !address.startsWith('/nflow/api/docs/') && address !== 'data:,'),
    [],
  );
  for (const address of addresses.filter((one) => one.startsWith('/'))) {
    const file = await fetch(api.origin + address);
    assert.equal(file.status, 200, address);
    assert.doesNotMatch(await file.text(), /https?:\/\//, address);
  }
});
