import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { nflow, spawnNode, temporaryFolder } from './spawned.ts';

const root = join(import.meta.dirname, '../..');

/** Stands in for npm install: the package is this repository. */
function link(folder: string): void {
  const modules = join(folder, 'node_modules');
  for (const [name, target] of [
    ['@nflow-engine/nflow', root],
    ['@types/node', join(root, 'node_modules/@types/node')],
    ['undici-types', join(root, 'node_modules/undici-types')],
  ] as const) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(target, join(modules, name));
  }
}

async function project(test: TestContext): Promise<string> {
  const folder = temporaryFolder(test);
  const made = await nflow(test, ['init', folder]);
  assert.equal(made.code, 0, made.stderr);
  link(folder);
  return folder;
}

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
  const folder = await project(t);
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const { code, stdout } = await spawnNode(t, [compiler, '-p', folder]).ended;
  assert.equal(code, 0, stdout);
  const file = join(folder, 'workflows', 'hello.workflow.ts');
  writeFileSync(file, readFileSync(file, 'utf8').replace("name: 'hello'", "nmae: 'hello'"));
  const wrong = await spawnNode(t, [compiler, '-p', folder]).ended;
  assert.match(wrong.stdout, /hello\.workflow\.ts.*nmae/);
});

test('the tests of the project pass as npm test runs them', async (t) => {
  const folder = await project(t);
  const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { scripts: { test: string } };
  assert.equal(scripts.test, 'node --test "test/**/*.test.ts"');
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const { code, stdout } = await spawnNode(t, ['--test', 'test/**/*.test.ts'], { cwd: folder, env }).ended;
  assert.equal(code, 0, stdout);
  assert.match(stdout, /pass 2/);
});
