import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { nflow, temporaryFolder } from './spawned.ts';
import { codeWorkflow, orderTotal, writeWorkflow } from './workflow-files.ts';

const body = '{"name":"Ada","items":[{"price":2.5,"qty":4}]}';
const answer = '{"ok":true,"total":10,"name":"Ada"}\n';

test('a workflow file runs without a server and its answer is printed', async (t) => {
  const cwd = temporaryFolder(t);
  const file = writeWorkflow(cwd, 'total.workflow.json', orderTotal);
  const { code, stdout, stderr } = await nflow(t, ['run', file, '--body', body], { cwd });
  assert.equal(stderr, '');
  assert.equal(stdout, answer);
  assert.equal(code, 0);
});

test('a name is looked up in --workflows, the body comes from a file', async (t) => {
  const cwd = temporaryFolder(t);
  writeWorkflow(cwd, 'mine/total.workflow.json', orderTotal);
  writeFileSync(join(cwd, 'body.json'), body);
  const { stdout } = await nflow(t, ['run', 'order-total', '--workflows', 'mine', '--body', '@body.json'], { cwd });
  assert.equal(stdout, answer);
});

test('a name is looked up in ./workflows, the body comes from stdin', async (t) => {
  const cwd = temporaryFolder(t);
  writeWorkflow(cwd, 'workflows/total.workflow.json', orderTotal);
  const { stdout } = await nflow(t, ['run', 'order-total', '--body', '-'], { cwd, input: body });
  assert.equal(stdout, answer);
});

test('--input is the whole input', async (t) => {
  const cwd = temporaryFolder(t);
  const file = writeWorkflow(cwd, 'echo.workflow.json', codeWorkflow('echo', 'return input'));
  const { stdout } = await nflow(t, ['run', file, '--input', '{"a":[1]}'], { cwd });
  assert.equal(stdout, '{"a":[1]}\n');
});

test('a status of 400 and above prints the answer and ends with 1; --full shows status and headers', async (t) => {
  const cwd = temporaryFolder(t);
  const nodes = { reply: { type: 'respond', status: 404, headers: { 'x-reason': 'none' }, body: { found: false } } };
  const file = writeWorkflow(cwd, 'missing.workflow.json', {
    format: 1,
    name: 'missing',
    triggers: [{ type: 'manual' }],
    nodes,
  });
  const { code, stdout } = await nflow(t, ['run', file, '--full'], { cwd });
  assert.match(stdout, /^404\n/);
  assert.match(stdout, /^x-reason: none$/m);
  assert.match(stdout, /\{"found":false\}\n$/);
  assert.equal(code, 1);
});

test('an error says code, message, node, line and column on stderr and ends with 1', async (t) => {
  const cwd = temporaryFolder(t);
  const file = writeWorkflow(
    cwd,
    'broken.workflow.json',
    codeWorkflow('broken', "const a = 1;\n  throw new Error('no more ' + a)"),
  );
  const { code, stdout, stderr } = await nflow(t, ['run', file], { cwd });
  assert.equal(stdout, '');
  assert.match(stderr, /^error node_failed: .*no more 1/);
  assert.match(stderr, /line 2:9, node work, workflow broken/);
  assert.equal(code, 1);
});

test('effects are performed for real', async (t) => {
  const cwd = temporaryFolder(t);
  const received: string[] = [];
  const target = createServer((request, response) => {
    received.push(`${request.method} ${request.url}`);
    response.setHeader('content-type', 'application/json');
    response.end('{"stock":7}');
  });
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  t.after(() => target.close());
  const { port } = target.address() as { port: number };
  writeFileSync(join(cwd, 'config.toml'), `[egress]\nallow = ["127.0.0.1:${port}"]\n`);
  const code = `const { body } = await ctx.http.get('http://127.0.0.1:${port}/stock'); return body`;
  const file = writeWorkflow(cwd, 'stock.workflow.json', codeWorkflow('stock', code));
  const { stdout, stderr } = await nflow(t, ['run', file], { cwd });
  assert.equal(stderr, '');
  assert.equal(stdout, '{"stock":7}\n');
  assert.deepEqual(received, ['GET /stock']);
});

test('what is accepted in the configuration and has no effect is a warning on stderr', async (t) => {
  const cwd = temporaryFolder(t);
  writeFileSync(join(cwd, 'config.toml'), '[vm_pool]\nmax_operations = 9\n');
  const file = writeWorkflow(cwd, 'echo.workflow.json', codeWorkflow('echo', 'return 1'));
  const { code, stdout, stderr } = await nflow(t, ['run', file], { cwd });
  assert.match(stderr, /^warning: config\.toml:2: vm_pool\.max_operations of the original nFlow has no effect/);
  assert.equal(stdout, '1\n');
  assert.equal(code, 0);
});

test('a name that is not there is told with those that are, the nearest first', async (t) => {
  const cwd = temporaryFolder(t);
  writeWorkflow(cwd, 'workflows/total.workflow.json', orderTotal);
  const { code, stderr } = await nflow(t, ['run', 'order-totl'], { cwd });
  assert.match(stderr, /error not_found: There is no workflow order-totl/);
  assert.match(stderr, /Did you mean order-total\?/);
  assert.equal(code, 1);
});

test('a file with a mistake is not run: the finding is shown', async (t) => {
  const cwd = temporaryFolder(t);
  const file = writeWorkflow(cwd, 'bad.workflow.json', codeWorkflow('bad', 'return +;'));
  const { code, stderr } = await nflow(t, ['run', file], { cwd });
  assert.match(stderr, /bad\.workflow\.json:\d+:\d+ syntax-error/);
  assert.equal(code, 1);
});

test('a body from a file that does not exist names the file, and is wrong usage', async (t) => {
  const cwd = temporaryFolder(t);
  const file = writeWorkflow(cwd, 'total.workflow.json', orderTotal);
  const { code, stderr } = await nflow(t, ['run', file, '--body', '@none.json'], { cwd });
  assert.match(stderr, /--body: the file could not be read\.\n +got +none\.json \(there is no such file\)/);
  assert.equal(code, 2);
});

test('a body that is not JSON is wrong usage', async (t) => {
  const cwd = temporaryFolder(t);
  const file = writeWorkflow(cwd, 'total.workflow.json', orderTotal);
  const { code, stderr } = await nflow(t, ['run', file, '--body', '{oops'], { cwd });
  assert.match(stderr, /error usage: --body is not JSON/);
  assert.equal(code, 2);
});
