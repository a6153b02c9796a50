import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startTargetServer, type TargetServer } from '../support/target-server.ts';
import { type ApiUnderTest, assertStatus, greeting, startApi } from './api-under-test.ts';

let target: TargetServer;
let api: ApiUnderTest;
before(async () => {
  target = await startTargetServer();
  api = await startApi({ withRunners: true, egressAllow: [`127.0.0.1:${target.port}`] });
});
after(async () => {
  await api[Symbol.asyncDispose]();
  await target.stop();
});

interface Execution {
  trigger: string;
  status: string;
  version: number;
  input: Record<string, unknown>;
  output: unknown;
  error: { code: string; message: string; node: string; line: number; stack: string } | null;
  steps: { path: string; output: unknown; durationMs: number; effects: { description: string; status: string }[] }[];
  logs: { text: string }[];
  timing: { totalMs: number };
}

const adding = {
  ...greeting('adding', '/adding'),
  triggers: [{ type: 'http', method: 'PUT', path: '/adding/:id' }],
  nodes: {
    sum: { type: 'code', code: "ctx.log.info('adding'); return input.body.a + input.body.b;", next: 'double' },
    double: { type: 'code', code: 'return { result: prev * 2 };' },
  },
};

test('a draft runs with a test input, and is answered with steps, output, logs and timing', async () => {
  await api.call('PUT', '/workflows/adding/draft', { definition: adding });
  const reply = await api.call('POST', '/workflows/adding/test', { body: { a: 1, b: 2 } });
  assertStatus(reply, 200);
  assert.deepEqual([reply.body.status, reply.body.body], [200, { result: 6 }]);
  const execution = reply.body.execution as Execution;
  assert.deepEqual([execution.trigger, execution.status, execution.version], ['test', 'succeeded', 0]);
  assert.deepEqual(
    [execution.input.method, execution.input.path, execution.input.body],
    ['PUT', '/adding/:id', { a: 1, b: 2 }],
  );
  assert.deepEqual(
    execution.steps.map(({ path, output }) => [path, output]),
    [
      ['sum', 3],
      ['double', { result: 6 }],
    ],
  );
  assert.deepEqual(
    execution.logs.map(({ text }) => text),
    ['adding'],
  );
  assert.ok(execution.timing.totalMs > 0);
  assert.deepEqual((await api.call('GET', '/executions')).body.items, [], 'it is in no history');
});

test('what is published, a version, and a definition that is nowhere can be run', async () => {
  const texts = ['first', 'second'];
  for (const text of texts) {
    await api.call('POST', '/workflows/told/publish', { definition: greeting('told', '/told', text) });
  }
  const run = async (body: object): Promise<unknown> => {
    const reply = await api.call('POST', '/workflows/told/test', body);
    assertStatus(reply, 200);
    return (reply.body.body as { text: unknown }).text;
  };
  assert.equal(await run({}), 'second');
  assert.equal(await run({ version: 'published' }), 'second');
  assert.equal(await run({ version: 1 }), 'first');
  assert.equal(await run({ definition: greeting('told', '/told', 'third') }), 'third');
  const wrong = { definition: { ...greeting('told', '/told'), start: 'nowhere' } };
  assertStatus(await api.call('POST', '/workflows/told/test', wrong), 422, 'invalid_workflow');
  assertStatus(await api.call('POST', '/workflows/nobody/test', {}), 404, 'not_found');
});

test('a run that fails is a result: the answer that a client would get, and for its author why', async () => {
  const definition = {
    ...greeting('broken', '/broken'),
    nodes: { bad: { type: 'code', code: 'const order = {};\nreturn order.items.length;' } },
  };
  const { body } = await api.call('POST', '/workflows/broken/test', { definition });
  assert.equal(body.status, 500);
  const answer = body.body as Record<string, unknown>;
  assert.equal(answer.code, 'node_failed');
  assert.doesNotMatch(JSON.stringify(answer), /items/);
  const { error, status } = body.execution as Execution;
  assert.deepEqual([status, error?.node, error?.line], ['failed', 'bad', 2]);
  assert.match(error?.message ?? '', /length/);
});

function calling(): object {
  return {
    ...greeting('calling', '/calling'),
    nodes: {
      read: { type: 'http', method: 'GET', url: `${target.url}/read`, next: 'write' },
      write: { type: 'http', method: 'POST', url: `${target.url}/write`, body: { a: 1 }, next: 'done' },
      done: { type: 'end', output: '{{ [nodes.read.status, nodes.write.status, nodes.write.body] }}' },
    },
  };
}

test('effects are performed', async () => {
  const { body } = await api.call('POST', '/workflows/calling/test', { definition: calling() });
  assert.equal(body.status, 200, JSON.stringify(body));
  assert.deepEqual(
    target.log().map(({ method, path }) => `${method} ${path}`),
    ['GET /read', 'POST /write'],
  );
});

test('in a dry run what could change something is not sent, and says so', async () => {
  const before = target.log().length;
  const { body } = await api.call('POST', '/workflows/calling/test', { definition: calling(), dryRun: true });
  assert.deepEqual(body.body, [200, 200, null]);
  assert.deepEqual(
    target
      .log()
      .slice(before)
      .map(({ method, path }) => `${method} ${path}`),
    ['GET /read'],
  );
  const { steps } = body.execution as Execution;
  const [effect] = steps.find(({ path }) => path === 'write')?.effects ?? [];
  assert.match(effect?.description ?? '', /^POST .*\/write \(not performed: dry run\)$/);
});
