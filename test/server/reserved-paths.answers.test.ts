import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { reservedPathsOf } from '../../src/server/monitor-paths.ts';
import { compileWorkflow } from '../../src/workflow/compile.ts';
import { methods } from '../../src/workflow/http-fields.ts';
import { buildRoutes, serverItself } from '../../src/workflow/routes.ts';
import { activeWorkflow, adminToken, httpTrigger, type ServerUnderTest, startServer } from './server-under-test.ts';

/** What the server answers itself, as its documentation names it. */
const endpoints: readonly string[] = [
  '/health',
  '/ready',
  '/metrics',
  '/nflow/api/v1/openapi.json',
  '/nflow/api/docs',
  '/nflow/api/v1/workflows',
  '/nflow/api/v1/executions',
  '/nflow/api/v1/system',
  '/nflow/api/v1/servers',
];
/** Its own as well, although nothing of this release answers there. */
const kept: readonly string[] = ['/nflow/', '/_nflow/runs/1', '/_nflow/events/paid', '/_nflow/forms/1', '/_nflow'];
const spellings: readonly string[] = ['/%6eflow/api/v1/workflows', '/%68ealth', '/%5Fnflow/runs/1'];

/** Together they match every path of every method. */
const greedy = methods.flatMap((method) =>
  ['/*', '/:first', '/:first/*'].map((path) => ({ trigger: httpTrigger({ method, path }), effectFree: true })),
);

let under: ServerUnderTest;
before(async () => {
  under = await startServer({ triggers: greedy });
});
after(() => under[Symbol.asyncDispose]());

function ask(path: string, method = 'GET'): Promise<Response> {
  return fetch(`${under.origin}${path}`, { method, headers: { authorization: `Bearer ${adminToken}` } });
}

for (const path of endpoints) {
  test(`${path} is answered by the server, whatever routes workflows have`, async () => {
    for (const variant of [path, `${path}/`, `${path}?a=1`]) {
      const response = await ask(variant);
      assert.notEqual(response.status, 404, variant);
      assert.equal(response.headers.get('nflow-execution-id'), null, variant);
    }
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      assert.equal((await ask(path, method)).headers.get('nflow-execution-id'), null, method);
    }
    assert.equal(under.engine.requests.length, 0);
  });
}

for (const path of [...kept, ...spellings]) {
  test(`${path} reaches no workflow`, async () => {
    assert.equal((await ask(path)).status, 404);
    assert.equal(under.engine.requests.length, 0);
  });
}

test('what only looks like a path of the server belongs to workflows', async () => {
  for (const path of ['/healthy', '/nflow2/x', '/Health', '/api/health', '/metrics.json']) {
    assert.equal((await ask(path)).status, 200, path);
    assert.equal(under.engine.requests.pop()?.trigger, 'http', path);
  }
});

test('a workflow that claims a path of the server is refused with the place', () => {
  for (const path of [
    '/nflow',
    '/nflow/',
    '/nflow/api/v1/x',
    '/_nflow/runs/:id',
    '/health',
    '/ready/*',
    '/metrics/:a',
  ]) {
    const result = compileWorkflow(
      JSON.stringify({
        format: 1,
        name: 'greedy',
        triggers: [{ type: 'http', method: 'GET', path }],
        nodes: { only: { type: 'end' } },
      }),
      {},
    );
    assert.ok(!result.ok, path);
    assert.deepEqual(
      result.findings.map(({ pointer }) => pointer),
      ['/triggers/0/path'],
    );
    assert.match(result.findings[0]?.expected ?? '', /outside of \/nflow, \/_nflow, \/health, \/ready, \/metrics/);
  }
});

test('paths that a configuration moves health and metrics to are refused and matched by nothing', () => {
  const reserved = reservedPathsOf({ enabled: true, healthCheckPath: '/internal/live', metricsPath: '/numbers' });
  const entryOf = (path: string) => {
    const trigger = httpTrigger({ method: 'GET', path });
    return { workflow: path, trigger, effectFree: true, target: activeWorkflow(trigger) };
  };
  const { table, conflicts } = buildRoutes(['/*', '/internal/:what', '/numbers'].map(entryOf), reserved);
  assert.deepEqual(
    conflicts.map(({ workflows }) => workflows),
    [[serverItself, '/numbers']],
  );
  for (const path of ['/internal/live', '/internal/live/', '/internal/%6Cive', '/numbers', '/numbers/']) {
    assert.equal(table.find('GET', path), null, path);
  }
  assert.notEqual(table.find('GET', '/internal/other'), null);
});
