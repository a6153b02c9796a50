import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runWorkflow } from '@nflow-engine/nflow/testing';
import { spawnNode, temporaryFolder } from '../cli/spawned.ts';

function workflowFile(test: Parameters<typeof temporaryFolder>[0], code: string, more: object = {}): string {
  const file = join(temporaryFolder(test), 'tested.workflow.json');
  const triggers = [{ type: 'http', method: 'POST', path: '/api/tested/:id' }];
  writeFileSync(
    file,
    JSON.stringify({ format: 1, name: 'tested', triggers, nodes: { only: { type: 'code', code } }, ...more }),
  );
  return file;
}

test('a run gives its status, output, steps and logs, with the clock and the random numbers of the test', async (t) => {
  const file = workflowFile(
    t,
    "ctx.log.info('seen', input.params.id); await ctx.sleep('1h'); return { id: input.params.id, method: input.method, now: ctx.now(), random: ctx.random() };",
  );
  const options = { input: { params: { id: '7' } }, now: '2026-01-01T00:00:00Z', seed: 'one' };
  const first = await runWorkflow(file, options);
  const { status, httpStatus, output, steps, logs, error } = first;
  assert.deepEqual({ status, httpStatus, error }, { status: 'succeeded', httpStatus: 200, error: null });
  assert.deepEqual(
    { ...output, random: null },
    { id: '7', method: 'POST', now: Date.parse('2026-01-01T01:00:00Z'), random: null },
  );
  assert.deepEqual(
    steps.map(({ node }) => node),
    ['only'],
  );
  assert.deepEqual(
    logs.map(({ level, text }) => `${level} ${text}`),
    ['info seen 7'],
  );
  assert.equal((await runWorkflow(file, options)).output.random, output.random);
  assert.notEqual((await runWorkflow(file, { ...options, seed: 'two' })).output.random, output.random);
});

test('stubs answer effects of nodes and of code, and are told what was called', async (t) => {
  const file = workflowFile(t, '', {
    nodes: {
      call: {
        type: 'http',
        method: 'POST',
        url: '{{ vars.shop }}/stock',
        body: { id: '{{ input.params.id }}' },
        next: 'more',
      },
      more: { type: 'code', code: "return [prev.body.left, (await ctx.http.get('http://other/')).body];" },
    },
  });
  const { output, effects } = await runWorkflow(file, {
    input: { params: { id: '7' } },
    vars: { shop: 'http://shop' },
    effects: { http: ({ method, body }) => ({ body: method === 'POST' ? { left: body.id } : 'text' }) },
  });
  assert.deepEqual(output, ['7', 'text']);
  assert.deepEqual(
    effects.map(({ kind, call, result }) => [kind, (call as { url: string }).url, result]),
    [
      ['http', 'http://shop/stock', { body: { left: '7' } }],
      ['http', 'http://other/', { body: 'text' }],
    ],
  );
});

test('recorded results are given one after the other, a status of 4xx fails as it does anywhere', async (t) => {
  const file = workflowFile(
    t,
    "const first = await ctx.http.get('http://a/'); try { await ctx.http.get('http://a/'); } catch (error) { return [first.body, error.code, error.response?.status ?? error.message]; }",
  );
  const { output } = await runWorkflow(file, { effects: { http: [{ body: { a: 1 } }, { status: 404 }] } });
  assert.deepEqual(output, [{ a: 1 }, 'effect_failed', 404]);
  const { output: short } = await runWorkflow(file, { effects: { http: [{ body: 1 }] } });
  assert.match(short[2], /effects\.http has 1 results, and this is call 2/);
});

test('an effect without a stub fails and says what to give; what a stub throws is told', async (t) => {
  const file = workflowFile(t, "return (await ctx.http.get('http://shop/stock')).body;");
  const without = await runWorkflow(file);
  assert.equal(without.status, 'failed');
  assert.equal(without.error?.code, 'effect_failed');
  assert.match(without.error?.message ?? '', /no stub.*effects: \{ http.*GET http:\/\/shop\/stock/);
  const throwing = await runWorkflow(file, {
    effects: {
      http: () => {
        throw new Error('out of order');
      },
    },
  });
  assert.match(throwing.error?.message ?? '', /out of order/);
});

test('crypto is performed, and an error has the line of its author', async (t) => {
  const good = workflowFile(t, "return (await ctx.crypto.hash('a')).slice(0, 8);");
  assert.equal((await runWorkflow(good)).output, 'ca978112');
  const { error } = await runWorkflow(workflowFile(t, '\n  throw new RangeError("no");'));
  assert.deepEqual([error?.line, error?.message], [2, 'no']);
});

test('a file with findings is told like validate tells it', async (t) => {
  await assert.rejects(runWorkflow(workflowFile(t, 'return (')), /tested\.workflow\.json.*syntax-error/s);
  await assert.rejects(runWorkflow('missing.workflow.json'), /There is no file/);
});

test('the process that tests ends by itself, and leaves none behind', async (t) => {
  const file = workflowFile(t, 'return 1;');
  const script = `const { runWorkflow } = await import('@nflow-engine/nflow/testing');
    console.log((await runWorkflow(${JSON.stringify(file)})).output);`;
  const root = join(import.meta.dirname, '../..');
  const { code, stdout, stderr } = await spawnNode(t, ['--input-type=module', '-e', script], { cwd: root }).ended;
  assert.deepEqual({ code, stdout }, { code: 0, stdout: '1\n' }, stderr);
});
