import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nflow, spawnNode, temporaryFolder } from './spawned.ts';

test('init makes a project whose workflow runs, and leaves alone what is there', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, '.gitignore'), 'mine\n');
  const made = await nflow(t, ['init', folder]);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(readFileSync(join(folder, '.gitignore'), 'utf8'), 'mine\n');
  const good = await nflow(t, ['validate', 'workflows', 'config.toml'], { cwd: folder });
  assert.equal(good.code, 0, good.stdout);
  const input = JSON.stringify({ params: { name: 'Ada' } });
  const ran = await nflow(t, ['run', 'hello', '--input', input], { cwd: folder });
  assert.deepEqual(JSON.parse(ran.stdout), { text: 'Hello, Ada!' });
});

test('the compiler accepts what init makes, with the types of authors', async (t) => {
  const folder = temporaryFolder(t);
  await nflow(t, ['init', folder]);
  const compiler = join(import.meta.dirname, '../../node_modules/typescript/bin/tsc');
  const { code, stdout } = await spawnNode(t, [compiler, '-p', folder]).ended;
  assert.equal(code, 0, stdout);
  const file = join(folder, 'workflows', 'hello.workflow.ts');
  writeFileSync(file, readFileSync(file, 'utf8').replace("name: 'hello'", "nmae: 'hello'"));
  const wrong = await spawnNode(t, [compiler, '-p', folder]).ended;
  assert.match(wrong.stdout, /hello\.workflow\.ts.*nmae/);
});
