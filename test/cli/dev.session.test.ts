import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { placePreparedCluster } from '../support/postgres.ts';
import { launcher, spawnNode, temporaryFolder, until } from './spawned.ts';

const workflow = (total: string): string => `import { rate } from './rate.ts';
const path = \`/api/\${rate.name}\`;
export default {
  format: 1,
  name: 'total',
  triggers: [{ type: 'http', method: 'POST', path }],
  durability: 'ephemeral',
  nodes: {
    check: { type: 'set', values: { ok: true }, next: 'total' },
    total: {
      type: 'code',
      code: (input) => {
        return ${total};
      },
    },
  },
};
`;

test('dev publishes what is saved, prints what runs, keeps the last good version, and takes back what is deleted', async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, 'workflows', 'total.workflow.ts');
  mkdirSync(join(folder, 'workflows'));
  await placePreparedCluster(join(folder, '.nflow'));
  writeFileSync(join(folder, 'workflows', 'rate.ts'), "export const rate = { name: 'total' };\n");
  writeFileSync(file, workflow('input.body.a + 1'));
  const dev = spawnNode(t, [launcher, 'dev', '--port', '0'], { cwd: folder, env: { ...process.env, NO_COLOR: '1' } });
  const printed = async (what: string, pattern: RegExp): Promise<RegExpExecArray> => {
    await until(what, () => pattern.test(dev.stdout()) || dev.child.exitCode !== null);
    const found = pattern.exec(dev.stdout());
    assert.ok(found !== null, `${dev.stdout()}\n${dev.stderr()}`);
    return found;
  };
  const [address] = await printed('the banner', /http:\/\/127[\d.:]+(?=[\s\S]*Ctrl-C)/);
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${address}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return response.ok ? await response.json() : response.status;
  };

  await t.test('an execution is a line with its path, status and time', async () => {
    assert.equal(await post('/api/total', { a: 1 }), 2);
    await printed('the execution', /POST \/api\/total {2}200 {2}[\d.]+ ms {2}total/);
  });

  await t.test('a failure names the file and line of the author', async () => {
    assert.equal(await post('/api/total', null), 500);
    await printed('the place', /node_failed .*\n {2}at workflows\/total\.workflow\.ts:13:\d+/);
  });

  await t.test('a save by renaming, as editors do it, is published', async () => {
    writeFileSync(join(folder, 'workflows', 'draft~'), workflow('input.body.a + 2'));
    renameSync(join(folder, 'workflows', 'draft~'), file);
    await printed('version 2', /✔ total version 2/);
    assert.equal(await post('/api/total', { a: 1 }), 3);
  });

  await t.test('a bad save is told with its place, and the last good version answers', async () => {
    writeFileSync(file, workflow('input.body.a +'));
    await printed('the finding', /total\.workflow\.ts:13:\d+ syntax-error[\s\S]*The last good version stays/);
    assert.equal(await post('/api/total', { a: 1 }), 3);
  });

  await t.test('what a workflow imports is watched too', async () => {
    writeFileSync(file, workflow('input.body.a + 3'));
    await printed('version 3', /✔ total version 3/);
    writeFileSync(join(folder, 'workflows', 'rate.ts'), "export const rate = { name: 'sum' };\n");
    await printed('version 4', /✔ total version 4/);
    assert.equal(await post('/api/sum', { a: 1 }), 4);
    assert.equal(await post('/api/total', { a: 1 }), 404);
  });

  await t.test('a deleted file is taken back', async () => {
    rmSync(file);
    await printed('the removal', /− total removed/);
    assert.equal(await post('/api/sum', { a: 1 }), 404);
  });

  await t.test('Ctrl-C ends it in order', async () => {
    dev.child.kill('SIGINT');
    const { code, stderr } = await dev.ended;
    assert.equal(code, 0, stderr);
  });
});
