import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { unifiedDiff } from '../../src/workflow/text-diff.ts';

/** What `patch` would make of it: hunks applied where they say, their context checked. */
function applied(before: string, diff: string): string {
  const lines = before === '' ? [] : before.split(/(?<=\n)/);
  const result: string[] = [];
  let at = 0;
  const parts = diff.split(/^(?=@@ )/m).filter((hunk) => hunk !== '');
  for (const hunk of parts) {
    const [head = '', ...rest] = hunk.replace(/\n$/, '').split('\n');
    const [, start, count = '1'] = /^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@$/.exec(head) ?? [];
    const from = count === '0' ? Number(start) : Number(start) - 1;
    result.push(...lines.slice(at, from));
    at = from;
    for (const [index, line] of rest.entries()) {
      if (line.startsWith('\\')) continue;
      const text = line.slice(1) + (rest[index + 1]?.startsWith('\\') ? '' : '\n');
      if (line[0] !== '+') assert.equal(lines[at++], text);
      if (line[0] !== '-') result.push(text);
    }
  }
  return [...result, ...lines.slice(at)].join('');
}

const text = fc
  .array(fc.constantFrom('a', 'b', 'c', '', 'longer line'), { maxLength: 40 })
  .chain((lines) => fc.constantFrom(lines.join('\n'), `${lines.join('\n')}\n`));

test('a diff that is applied to the first text gives the second', () => {
  fc.assert(
    fc.property(text, text, (before, after) => {
      const diff = unifiedDiff(before, after);
      assert.equal(diff === '', before === after);
      assert.equal(applied(before, diff), after);
    }),
    { numRuns: 500 },
  );
});

test('a small change in a long text is one hunk with three lines around it', () => {
  const lines = Array.from({ length: 100 }, (_, index) => `line ${index}`);
  const before = `${lines.join('\n')}\n`;
  const after = before.replace('line 50\n', 'line fifty\n');
  assert.equal(
    unifiedDiff(before, after),
    '@@ -48,7 +48,7 @@\n line 47\n line 48\n line 49\n-line 50\n+line fifty\n line 51\n line 52\n line 53\n',
  );
});

test('texts that have little in common are compared in bounded time', () => {
  const make = (salt: string) => Array.from({ length: 20_000 }, (_, index) => `${salt} ${index % 977}`).join('\n');
  const diff = unifiedDiff(make('a'), make('b'));
  assert.ok(diff.startsWith('@@ -1,20000 +1,20000 @@\n-a 0\n'));
});
