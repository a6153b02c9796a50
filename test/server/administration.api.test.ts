import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { NflowError } from '../../src/errors.ts';
import type { ExecutionFilter, ExecutionSummary, History, StoredExecution } from '../../src/store/port.ts';
import { workflowNameExpected } from '../../src/workflow/names.ts';
import { executionId, httpTrigger, RawClient, type ServerUnderTest, startServer } from './server-under-test.ts';

const summary: ExecutionSummary = {
  id: executionId,
  workflow: 'echo',
  version: 3,
  status: 'succeeded',
  durability: 'durable',
  trigger: 'http',
  createdAt: new Date(0),
  startedAt: new Date(1),
  endedAt: new Date(2),
  httpStatus: 200,
  timing: null,
};
const stored: StoredExecution = {
  ...summary,
  versionId: 7,
  input: '{}',
  output: '1',
  error: null,
  trace: '[["reply",1,1,0,5]]',
  effects: null,
  logs: null,
  journal: [],
  payloadBytes: 3,
  storedBytes: 3,
};

class TestHistory implements History {
  readonly filters: ExecutionFilter[] = [];

  async list(filter: ExecutionFilter): Promise<{ items: ExecutionSummary[]; nextCursor: string | null }> {
    this.filters.push(filter);
    if (filter.cursor === 'bad') throw new NflowError('invalid_input', 'the cursor is not one of this server');
    return { items: [summary], nextCursor: 'next' };
  }

  async get(id: string): Promise<StoredExecution | null> {
    if (id === '11111111') throw new NflowError('conflict', 'two executions end so: a-11111111, b-11111111');
    if (id === '22222222') throw new NflowError('store_unavailable', 'no answer from PostgreSQL');
    if (id === '33333333') throw new TypeError('a defect at /srv/app/x.ts');
    return id === executionId || id === executionId.slice(-8) ? stored : null;
  }

  async hold(): Promise<boolean> {
    return false;
  }

  async release(): Promise<boolean> {
    return false;
  }
}

const history = new TestHistory();
const readiness = { ready: true, reasons: [] as string[] };
let under: ServerUnderTest;
before(async () => {
  under = await startServer({
    triggers: [{ trigger: httpTrigger() }],
    options: {
      history,
      health: { ready: () => readiness },
      workflows: {
        list: () => [],
        version: async (versionId) =>
          versionId === 7 ? { definitionText: '{"nodes":{"reply":{"type":"respond"}}}' } : null,
      },
    },
  });
});
after(() => under[Symbol.asyncDispose]());

async function getJson(path: string): Promise<{ status: number; type: string | null; body: Record<string, unknown> }> {
  const answer = await fetch(under.origin + path);
  return {
    status: answer.status,
    type: answer.headers.get('content-type'),
    body: (await answer.json()) as Record<string, unknown>,
  };
}

test('an execution is found by its id and by the last eight characters of it', async () => {
  for (const id of [executionId, executionId.toUpperCase(), executionId.slice(-8)]) {
    const { status, body } = await getJson(`/nflow/api/v1/executions/${id}`);
    assert.equal(status, 200);
    assert.equal(body.id, executionId);
    assert.deepEqual((body.steps as { type: string }[])[0]?.type, 'respond');
  }
});

test('executions are listed by filter, page by page', async () => {
  const { status, body } = await getJson('/nflow/api/v1/executions?workflow=echo&status=failed&limit=7&cursor=abc');
  assert.equal(status, 200);
  assert.equal(body.nextCursor, 'next');
  const [item] = body.items as Record<string, unknown>[];
  assert.deepEqual(Object.keys(item ?? {}), [
    'id',
    'workflow',
    'version',
    'status',
    'durability',
    'trigger',
    'createdAt',
    'startedAt',
    'endedAt',
    'timing',
  ]);
  assert.deepEqual(history.filters.at(-1), { workflow: 'echo', status: 'failed', limit: 7, cursor: 'abc' });
  await getJson('/nflow/api/v1/executions');
  assert.deepEqual(history.filters.at(-1), { limit: 50 });
});

const refused: [path: string, status: number, code: string][] = [
  ['/nflow/api/v1/executions?limit=0', 400, 'invalid_input'],
  ['/nflow/api/v1/executions?limit=501', 400, 'invalid_input'],
  ['/nflow/api/v1/executions?limit=x', 400, 'invalid_input'],
  ['/nflow/api/v1/executions?status=done', 400, 'invalid_input'],
  ['/nflow/api/v1/executions?workflow=A%20B', 400, 'invalid_input'],
  ['/nflow/api/v1/executions?colour=red', 400, 'invalid_input'],
  ['/nflow/api/v1/executions?limit=1&limit=2', 400, 'invalid_input'],
  ['/nflow/api/v1/executions?cursor=bad', 400, 'invalid_input'],
  ['/nflow/api/v1/executions?text=', 400, 'invalid_input'],
  ['/nflow/api/v1/executions?text=%00', 400, 'invalid_input'],
  ['/nflow/api/v1/executions?from=yesterday', 400, 'invalid_input'],
  ['/nflow/api/v1/executions?to=2026-02-30T00:00:00Z', 400, 'invalid_input'],
  ['/nflow/api/v1/executions/nonsense', 400, 'invalid_input'],
  ['/nflow/api/v1/executions/%zz', 400, 'invalid_input'],
  ['/nflow/api/v1/executions/00000000', 404, 'not_found'],
  ['/nflow/api/v1/executions/11111111', 409, 'conflict'],
  ['/nflow/api/v1/executions/22222222', 503, 'store_unavailable'],
  ['/nflow/api/v1/executions/33333333', 500, 'internal_error'],
  ['/nflow/api/v1/nothing', 404, 'not_found'],
  ['/nflow', 404, 'not_found'],
  ['/health/x', 404, 'not_found'],
];
for (const [path, status, code] of refused) {
  test(`GET ${path} is refused with ${status} ${code}`, async () => {
    const answer = await getJson(path);
    assert.equal(answer.status, status);
    assert.equal(answer.type, 'application/problem+json');
    assert.equal(answer.body.code, code);
    assert.ok(!JSON.stringify(answer.body).includes('/srv/app'));
  });
}

test('times of any offset are taken, and one before 1970 finds what 1970 finds', async () => {
  await getJson('/nflow/api/v1/executions?from=0001-01-01T00:00:00Z&to=1970-01-01T02:00:00%2B01:00');
  assert.deepEqual(history.filters.at(-1), { limit: 50, createdFromMs: 0, createdBeforeMs: 3_600_000 });
});

test('what is expected is said in words of ours', async () => {
  const { body } = await getJson('/nflow/api/v1/executions?workflow=a&workflow=b&cursor=&text=%00');
  assert.deepEqual(
    (body.errors as { pointer: string; expected: string }[]).map(({ pointer, expected }) => [pointer, expected]),
    [
      ['/workflow', workflowNameExpected],
      ['/text', '1 to 200 characters, none of them U+0000'],
      ['/cursor', 'nextCursor of the page before'],
    ],
  );
});

test('a refusal names each part that is wrong', async () => {
  const { body } = await getJson('/nflow/api/v1/executions?limit=0&status=done');
  assert.deepEqual(
    (body.errors as { pointer: string; got: string }[]).map(({ pointer, got }) => [pointer, got]),
    [
      ['/status', '"done"'],
      ['/limit', '"0"'],
    ],
  );
});

test('the server tells that it lives, and whether it is ready and why not', async () => {
  assert.deepEqual((await getJson('/health')).body, { status: 'live', version: '0.0.0-test' });
  assert.deepEqual(await getJson('/ready'), {
    status: 200,
    type: 'application/json; charset=utf-8',
    body: { status: 'ready', reasons: [] },
  });
  Object.assign(readiness, { ready: false, reasons: ['PostgreSQL does not answer'] });
  const answer = await fetch(`${under.origin}/ready`);
  Object.assign(readiness, { ready: true, reasons: [] });
  assert.equal(answer.status, 503);
  assert.equal(answer.headers.get('retry-after'), '1');
  assert.deepEqual(await answer.json(), { status: 'not ready', reasons: ['PostgreSQL does not answer'] });
});

test('/metrics is the text format of Prometheus', async () => {
  const answer = await fetch(`${under.origin}/metrics`);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  assert.match(await answer.text(), /^nflow_http_requests_total\{status="200"\} \d+$/m);
});

test('administration is answered under names of this machine only: a page of another site cannot read it', async () => {
  for (const [host, status] of [
    ['localhost', 200],
    [`127.0.0.1:${under.port}`, 200],
    ['[::1]:8080', 200],
    ['LOCALHOST:1', 200],
    ['evil.example', 403],
    ['localhost.evil.example', 403],
    ['127.0.0.1.evil.example:8080', 403],
    ['127.0.0.1@evil.example', 403],
    ['', 403],
  ] as const) {
    for (const path of ['/metrics', '/nflow/api/v1/system']) {
      using client = await RawClient.connect(under.port);
      client.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assert.equal((await client.answer()).status, status, `${path} under "${host}"`);
    }
  }
  using client = await RawClient.connect(under.port);
  client.send('GET /health HTTP/1.1\r\nHost: balancer.example\r\n\r\n');
  assert.equal((await client.answer()).status, 200, 'health is for everybody');
});

test('administration is refused to requests that workflows make', async () => {
  using client = await RawClient.connect(under.port);
  client.send('GET /nflow/api/v1/executions HTTP/1.1\r\nHost: localhost\r\nnflow-effect: 1\r\n\r\n');
  assert.equal((await client.answer()).status, 403);
});

test('on an address that others can reach there is no administration and no /metrics', async () => {
  await using open = await startServer({
    limits: { host: '0.0.0.0' },
    admin: { listen: '127.0.0.1:0' },
    options: { history },
  });
  for (const path of ['/metrics', '/nflow/api/v1/executions', '/nflow/']) {
    assert.equal((await fetch(open.origin + path)).status, 404, path);
  }
  assert.equal((await fetch(`${open.origin}/health`)).status, 200);
  assert.equal((await fetch(`${open.origin}/ready`)).status, 200);
});

test('without a store there is no history, and that is said', async () => {
  await using other = await startServer();
  const answer = await fetch(`${other.origin}/nflow/api/v1/executions`);
  assert.equal(answer.status, 501);
  assert.equal(((await answer.json()) as { code: string }).code, 'not_available');
});
