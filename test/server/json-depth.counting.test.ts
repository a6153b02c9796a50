import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { exceedsJsonDepth } from '../../src/server/json-depth.ts';

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

test('depth is that of the parsed value, whatever its texts hold', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), fc.integer({ min: 1, max: 8 }), (text, depthMax) => {
      const nested = `["[{\\"]\\\\", ${text}]`;
      assert.equal(exceedsJsonDepth(Buffer.from(nested), depthMax), depthOf(JSON.parse(nested)) > depthMax);
    }),
  );
});

test('many brackets side by side are not deep', () => {
  assert.equal(exceedsJsonDepth(Buffer.from(`[${'{},[],'.repeat(10_000)}1]`), 2), false);
  assert.equal(exceedsJsonDepth(Buffer.from(`${'['.repeat(65)}${']'.repeat(65)}`), 64), true);
  assert.equal(exceedsJsonDepth(Buffer.from(`${'['.repeat(64)}${']'.repeat(64)}`), 64), false);
});

test('texts that are no JSON end in some answer', () => {
  for (const text of ['"', '"\\', '"abc', ']]]]', '{"a', '\\'])
    assert.equal(exceedsJsonDepth(Buffer.from(text.repeat(3)), 100), false);
});
