import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startNflowServer } from '../support/nflow-server.ts';
import { type Ended, nflow, temporaryFolder } from './spawned.ts';

const hello = (text: string): string =>
  JSON.stringify({
    format: 1,
    name: 'hello',
    triggers: [{ type: 'http', method: 'GET', path: '/api/hello' }],
    nodes: { greet: { type: 'code', code: `return { text: '${text}' };` } },
  });
const typed = `import { defineWorkflow } from '@nflow-engine/nflow/workflow';
export default defineWorkflow({ format: 1, name: 'typed', nodes: { only: { type: 'code', code: () => 1 } } });
`;
const plain = (name: string, path: string): string =>
  JSON.stringify({
    format: 1,
    name,
    triggers: [{ type: 'http', method: 'GET', path }],
    nodes: { only: { type: 'set', values: { from: name } } },
  });

interface Applied {
  workflows: { name: string | null; file: string | null; version: number | null; result: string }[];
  findings: { file: string; code: string }[];
}

function resultsOf({ stdout }: Ended): Record<string, string> {
  const { workflows } = JSON.parse(stdout) as Applied;
  return Object.fromEntries(
    workflows.map(({ name, file, result, version }) => [name ?? file, `${result} ${version ?? '-'}`]),
  );
}

test('apply publishes what changed, and the commands for workflows show it and go back', async (t) => {
  const server = await startNflowServer(t, {
    workflows: { resident: JSON.parse(plain('resident', '/api/resident')) },
    egressAllow: [],
  });
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'flows'));
  const write = (name: string, text: string): void => writeFileSync(join(folder, 'flows', name), text);
  const run = (test: TestContext, ...words: string[]): Promise<Ended> =>
    nflow(test, words, {
      cwd: folder,
      env: { ...process.env, NFLOW_SERVER: server.address, NO_COLOR: '1' },
    });
  const withToken = ['--data', join(server.folder, 'data')];
  const apply = (test: TestContext, ...flags: string[]) =>
    run(test, 'apply', 'flows', '--json', ...withToken, ...flags);
  const answer = async (path: string): Promise<unknown> => {
    const response = await fetch(`${server.address}${path}`);
    return response.ok ? await response.json() : response.status;
  };
  write('hello.workflow.json', hello('one'));
  write('other.workflow.json', plain('other', '/api/other'));
  write('typed.workflow.ts', typed);

  await t.test('a dry run tells what would be created, and creates nothing', async (t) => {
    const dry = await apply(t, '--dry-run');
    assert.equal(dry.code, 0, dry.stderr);
    assert.deepEqual(resultsOf(dry), { hello: 'created -', other: 'created -', typed: 'created -' });
    rmSync(join(folder, 'flows', 'typed.workflow.ts'));
    assert.equal(await answer('/api/hello'), 404);
  });

  await t.test('new workflows are created and answer at once', async (t) => {
    const ended = await apply(t);
    assert.equal(ended.code, 0, ended.stderr);
    assert.deepEqual(resultsOf(ended), { hello: 'created 1', other: 'created 1' });
    assert.deepEqual(await answer('/api/hello'), { text: 'one' });
  });

  await t.test('what is unchanged is left alone, what is changed becomes the next version', async (t) => {
    write('hello.workflow.json', hello('two'));
    assert.deepEqual(resultsOf(await apply(t)), { hello: 'updated 2', other: 'unchanged 1' });
    assert.deepEqual(await answer('/api/hello'), { text: 'two' });
  });

  await t.test('a file with a mistake fails alone, and keeps --prune from taking anything back', async (t) => {
    write('hello.workflow.json', '{');
    rmSync(join(folder, 'flows', 'other.workflow.json'));
    write('third.workflow.json', plain('third', '/api/third'));
    const ended = await apply(t, '--prune');
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /Nothing is taken back/);
    assert.deepEqual(resultsOf(ended), { 'flows/hello.workflow.json': 'failed -', third: 'created 1' });
    assert.deepEqual(await answer('/api/hello'), { text: 'two' });
    assert.deepEqual(await answer('/api/other'), { from: 'other' });
  });

  await t.test('a route of another workflow is refused by the server, which names it', async (t) => {
    write('hello.workflow.json', hello('two'));
    write('third.workflow.json', JSON.stringify(JSON.parse(plain('third', '/api/resident')), null, 1));
    const ended = await run(t, 'apply', 'flows', ...withToken);
    assert.equal(ended.code, 1);
    assert.match(ended.stdout, /^third +failed +flows\/third\.workflow\.json$/m);
    assert.match(ended.stderr, /third\.workflow\.json:8:12 route-conflict[\s\S]*resident/);
  });

  await t.test('--prune takes back what is gone from the same paths, and nothing of others', async (t) => {
    rmSync(join(folder, 'flows', 'third.workflow.json'));
    const ended = await apply(t, '--prune');
    assert.deepEqual(resultsOf(ended), { hello: 'unchanged 2', other: 'removed -', third: 'removed -' });
    assert.equal(await answer('/api/other'), 404);
    assert.deepEqual(await answer('/api/resident'), { from: 'resident' });
  });

  await t.test('workflows list, show and versions tell what is there', async (t) => {
    const list = await run(t, 'workflows', 'list');
    assert.equal(list.code, 0, list.stderr);
    assert.match(list.stdout, /^hello +2 +published .*GET \/api\/hello$/m);
    const shown = await run(t, 'workflows', 'show', 'hello');
    assert.match(shown.stdout, /hello version 2[\s\S]*GET \/api\/hello[\s\S]*answers now/);
    const versions = JSON.parse((await run(t, 'workflows', 'versions', 'hello', '--json')).stdout);
    assert.deepEqual(
      versions.items.map(({ version, isPublished }: { version: number; isPublished: boolean }) => [
        version,
        isPublished,
      ]),
      [
        [2, true],
        [1, false],
      ],
    );
  });

  await t.test('a diff shows the code, and a roll back publishes the older content again', async (t) => {
    const diff = await run(t, 'workflows', 'diff', 'hello', '1', '2');
    assert.match(diff.stdout, /node greet[\s\S]*-.*'one'[\s\S]*\+.*'two'/);
    const back = await run(t, 'workflows', 'rollback', 'hello', '1', ...withToken);
    assert.equal(back.code, 0, back.stderr);
    assert.match(back.stdout, /hello version 3/);
    assert.deepEqual(await answer('/api/hello'), { text: 'one' });
    assert.equal((await run(t, 'workflows', 'unpublish', 'hello', ...withToken)).code, 0);
    assert.equal(await answer('/api/hello'), 404);
  });

  await t.test('without the token nothing is written, and the error says what to set', async (t) => {
    const ended = await run(t, 'apply', 'flows');
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /unauthorized[\s\S]*NFLOW_TOKEN/);
  });
});

test('more than one request may hold is refused before it is sent, with the size, the limit and what to do', async (t) => {
  const folder = temporaryFolder(t);
  const text = 'x'.repeat(900_000);
  for (let index = 0; index < 38; index++) {
    const nodes = { only: { type: 'set', values: { text } } };
    const workflow = { format: 1, name: `large-${index}`, triggers: [{ type: 'manual' }], nodes };
    writeFileSync(join(folder, `large-${index}.workflow.json`), JSON.stringify(workflow));
  }
  const ended = await nflow(t, ['apply', '.', '--server', 'http://127.0.0.1:9'], { cwd: folder });
  assert.match(ended.stderr, /^error body_too_large: /);
  assert.match(ended.stderr, /got +38 workflows in 34\d{6} bytes/);
  assert.match(ended.stderr, /expected +at most 33554432 bytes \(32 MiB\)/);
  assert.match(ended.stderr, /to do +Nothing was sent\. Apply folders/);
  assert.equal(ended.code, 1);
});

test('apply to an address where nobody answers ends with 3', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'a.workflow.json'), plain('a', '/a'));
  const ended = await nflow(t, ['apply', '.', '--server', 'http://127.0.0.1:9'], { cwd: folder });
  assert.equal(ended.code, 3);
  assert.match(ended.stderr, /server_unreachable/);
});
