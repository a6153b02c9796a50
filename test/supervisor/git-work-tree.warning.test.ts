import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isUnignoredInGit } from '../../src/supervisor/git-work-tree.ts';
import { temporaryFolder } from './supervised.ts';

test('a data folder in a git work tree is told unless git ignores it', (t) => {
  const folder = temporaryFolder(t);
  const dataDir = join(folder, '.nflow');
  mkdirSync(dataDir);
  assert.equal(isUnignoredInGit(dataDir), false, 'no work tree');
  execFileSync('git', ['init', '--quiet'], { cwd: folder });
  assert.equal(isUnignoredInGit(dataDir), true);
  writeFileSync(join(folder, '.gitignore'), '.nflow/\n');
  assert.equal(isUnignoredInGit(dataDir), false);
});
