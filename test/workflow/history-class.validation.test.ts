import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CompileResult, compileAuthored, compileWorkflow } from '../../src/workflow/compile.ts';
import { parseJsonDocument } from '../../src/workflow/parse-file.ts';

function definitionWith(history: string): string {
  return `{ "format": 1, "name": "shop", ${history}"nodes": { "only": { "type": "end" } } }`;
}

function compile(history: string, classes?: readonly string[]): CompileResult {
  const { document } = parseJsonDocument(definitionWith(history));
  assert.ok(document !== null);
  return compileAuthored({ file: 'shop.workflow.json', document, codeFiles: new Map() }, {}, classes);
}

test('a workflow has the class that it names, or none', () => {
  const named = compile('"history": { "class": "audit" }, ', ['audit']);
  assert.ok(named.ok);
  assert.equal(named.compiled.historyClass, 'audit');
  const plain = compile('', ['audit']);
  assert.ok(plain.ok);
  assert.equal(plain.compiled.historyClass, null);
});

for (const [classes, expected] of [
  [['brief', 'yearly'], 'one of brief, yearly'],
  [[], 'none: [history] classes is empty'],
] as const) {
  test(`a class that the server has not is refused at its place: expected ${expected}`, () => {
    const result = compile('"history": { "class": "audit" }, ', classes);
    assert.ok(!result.ok);
    const [finding] = result.findings;
    assert.equal(finding?.code, 'unknown-history-class');
    assert.equal(finding?.pointer, '/history/class');
    assert.equal(finding?.expected, expected);
    const column = definitionWith('"history": { "class": "audit" }, ').indexOf('"audit"') + 1;
    assert.deepEqual([finding?.line, finding?.column], [1, column]);
  });
}

test('what was published goes on when its class is not configured any more', () => {
  const result = compileWorkflow(definitionWith('"history": { "class": "gone" }, '), {});
  assert.ok(result.ok);
  assert.equal(result.compiled.historyClass, 'gone');
});

for (const history of [
  '{ "class": "default" }',
  '{ "class": "No Name" }',
  '{ "class": 1 }',
  '{}',
  '"audit"',
  '{ "class": "a", "days": 3 }',
]) {
  test(`"history": ${history} is refused`, () => {
    assert.equal(compile(`"history": ${history}, `).ok, false);
  });
}
