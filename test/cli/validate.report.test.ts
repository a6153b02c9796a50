import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nflow, temporaryFolder } from './spawned.ts';
import { codeWorkflow, orderTotal, writeWorkflow } from './workflow-files.ts';

test('good files are counted and end with 0', async (t) => {
  const cwd = temporaryFolder(t);
  writeWorkflow(cwd, 'total.workflow.json', orderTotal);
  writeWorkflow(cwd, 'deep/other.workflow.json', codeWorkflow('other', 'return 1'));
  writeFileSync(join(cwd, 'config.toml'), '[server]\nport = 8081\n');
  const { code, stdout, stderr } = await nflow(t, ['validate', '.', 'config.toml'], { cwd });
  assert.equal(stdout, '✔ 2 workflows and 1 configuration file good\n');
  assert.equal(stderr, '');
  assert.equal(code, 0);
});

test('a mistake is shown with its place and its line, beside how many are good, and ends with 1', async (t) => {
  const cwd = temporaryFolder(t);
  writeWorkflow(cwd, 'total.workflow.json', orderTotal);
  writeWorkflow(cwd, 'bad.workflow.json', { ...codeWorkflow('bad', 'return 1'), start: 'wrok' });
  const { code, stdout } = await nflow(t, ['validate', '.'], { cwd });
  assert.match(stdout, /^bad\.workflow\.json:\d+:\d+ unknown-node$/m);
  assert.match(stdout, /got +"wrok"/);
  assert.match(stdout, /^ +\d+ \| .*"start": "wrok"/m);
  assert.match(stdout, /✔ 1 workflow good {3}✖ 1 finding\n$/);
  assert.equal(code, 1);
});

test('--json gives every finding of workflows and configuration in one form', async (t) => {
  const cwd = temporaryFolder(t);
  writeWorkflow(cwd, 'bad.workflow.json', { ...codeWorkflow('bad', 'return 1'), start: 'wrok' });
  writeFileSync(join(cwd, 'config.toml'), '[server]\nprot = 8081\n');
  const { code, stdout } = await nflow(t, ['validate', '--json', 'bad.workflow.json', 'config.toml'], { cwd });
  const findings = JSON.parse(stdout) as Record<string, unknown>[];
  for (const finding of findings) {
    assert.deepEqual(Object.keys(finding), ['file', 'pointer', 'line', 'column', 'code', 'got', 'expected']);
  }
  const places = findings.map(({ file, pointer, line, code: findingCode }) => [file, pointer, line, findingCode]);
  assert.deepEqual(places, [
    ['config.toml', '/server/prot', 2, 'unknown-key'],
    ['bad.workflow.json', '/start', 15, 'unknown-node'],
  ]);
  assert.equal(code, 1);
});

test('what is accepted and has no effect is a warning on stderr, and no finding', async (t) => {
  const cwd = temporaryFolder(t);
  writeFileSync(join(cwd, 'config.toml'), '[tracker]\nworkers = 4\n');
  const { code, stdout, stderr } = await nflow(t, ['validate', '--json', 'config.toml'], { cwd });
  assert.match(stderr, /^warning: config\.toml:2: tracker\.workers of the original nFlow has no effect/);
  assert.equal(stdout.trim(), '[]');
  assert.equal(code, 0);
});

test('a configuration file that does not exist is a finding', async (t) => {
  const { code, stdout } = await nflow(t, ['validate', 'none.toml'], { cwd: temporaryFolder(t) });
  assert.match(stdout, /^none\.toml:1:1 unreadable-file\n +the file cannot be read \(there is no such file\)/);
  assert.equal(code, 1);
});

test('a path that does not exist is a finding', async (t) => {
  const { code, stdout } = await nflow(t, ['validate', 'no-such-folder'], { cwd: temporaryFolder(t) });
  assert.match(stdout, /no-such-folder/);
  assert.equal(code, 1);
});
