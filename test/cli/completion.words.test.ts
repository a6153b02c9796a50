import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { completionScript } from '../../src/cli/completion-script.ts';
import { createProgram } from '../../src/cli/program.ts';
import { temporaryFolder } from './spawned.ts';

let script: string;

before(() => {
  script = completionScript(createProgram(), 'bash');
});

/** What bash offers for the last of these words. */
function complete(words: string[], cwd = '/'): string[] {
  const commands = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _nflow; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', commands, 'bash', 'nflow', ...words], { cwd, encoding: 'utf8' });
  assert.equal(stderr, '');
  return stdout.split('\n').filter((word) => word !== '');
}

test('bash completes commands, those below them, and their options', () => {
  assert.ok(complete(['']).includes('executions'));
  assert.deepEqual(complete(['exec']), ['executions']);
  assert.deepEqual(complete(['executions', 't']), ['tail']);
  assert.deepEqual(complete(['executions', 'list', '--s']), ['--server', '--status', '--since']);
  assert.deepEqual(complete(['completion', 'f']), ['fish']);
});

test('bash completes names of workflows from files', (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'workflows'));
  for (const name of ['order.workflow.json', 'offer.workflow.ts', 'other.ts']) {
    writeFileSync(join(folder, 'workflows', name), '');
  }
  assert.deepEqual(complete(['run', 'o'], folder).sort(), ['offer', 'order']);
});

for (const shell of ['zsh', 'fish'] as const) {
  test(`the script for ${shell} has every command and its options`, () => {
    const text = completionScript(createProgram(), shell);
    for (const command of createProgram().commands) assert.ok(text.includes(command.name()), command.name());
    assert.match(text, /status/);
    const installed = spawnSync(shell, ['-n'], { input: text, encoding: 'utf8' });
    if (installed.error === undefined) assert.equal(installed.status, 0, installed.stderr);
  });
}
