import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { diffDefinitions } from '../../src/workflow/definition-diff.ts';
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

function endsOpen(text: string): boolean {
  return text !== '' && !text.endsWith('\n');
}

const text = fc
  .array(fc.constantFrom('a', 'b', 'c', '', 'longer line'), { maxLength: 40 })
  .chain((lines) => fc.constantFrom(lines.join('\n'), `${lines.join('\n')}\n`));

test('a diff that is applied to the first text gives the second', () => {
  fc.assert(
    fc.property(text, text, (before, after) => {
      const diff = unifiedDiff(before, after);
      assert.equal(diff === '', before === after);
      // That both have no line break at the end is not said: it is no difference.
      const [from, to] = endsOpen(before) && endsOpen(after) ? [`${before}\n`, `${after}\n`] : [before, after];
      assert.equal(applied(from, diff), to);
    }),
    { numRuns: 500 },
  );
});

test('a missing line break at the end is told only where one text alone misses it', () => {
  assert.equal(unifiedDiff('return 1', 'return 2'), '@@ -1 +1 @@\n-return 1\n+return 2\n');
  assert.equal(
    unifiedDiff('return 1\n', 'return 1'),
    '@@ -1 +1 @@\n-return 1\n+return 1\n\\ No newline at end of file\n',
  );
});

test('code inside of a definition is compared without regard to how it ends, a file as it is', () => {
  const definition = (code: unknown): string => JSON.stringify({ name: 'a', nodes: { only: { type: 'code', code } } });
  const diffOf = (before: unknown, after: unknown): string | undefined =>
    diffDefinitions(definition(before), definition(after)).nodes.changed[0]?.code?.diff;
  const file = (source: string) => ({ file: './only.ts', source });
  assert.equal(diffOf('return 1\n', 'return 2'), '@@ -1 +1 @@\n-return 1\n+return 2\n');
  assert.equal(diffOf('return 1', file('return 2\n')), '@@ -1 +1 @@\n-return 1\n+return 2\n');
  assert.equal(diffOf('return 1', file('return 1\n')), '');
  assert.match(diffOf(file('return 1\n'), file('return 1')) ?? '', /No newline at end of file/);
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
