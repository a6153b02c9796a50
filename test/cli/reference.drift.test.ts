import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { cliReference } from '../../tools/cli-reference.ts';

test('docs/reference/cli.md says what the commands take', () => {
  const written = readFileSync(new URL('../../docs/reference/cli.md', import.meta.url), 'utf8');
  assert.equal(written, cliReference(), 'run: node bin/pinned-node.mjs tools/cli-reference.ts');
});
