import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Template } from '../../src/protocol/program.ts';
import type { Problem } from '../../src/workflow/findings.ts';
import type { JsonValue } from '../../src/workflow/parse-file.ts';
import { compileExpressionField, compileTemplate } from '../../src/workflow/template.ts';

const nodeNames = new Set(['price', 'big']);

function compile(value: JsonValue): { template: Template; problems: Problem[] } {
  const problems: Problem[] = [];
  const template = compileTemplate(value, '/at', { nodeNames, report: (problem) => problems.push(problem) });
  return { template, problems };
}

function templateOf(value: JsonValue): Template {
  const { template, problems } = compile(value);
  assert.deepEqual(problems, []);
  return template;
}

/** Sources of the expressions and texts between them. */
function partsOf(text: string): string[] {
  const template = templateOf(text);
  if (template.kind === 'literal') return [JSON.parse(template.json)];
  if (template.kind === 'expression') return [`<${template.expression.source}>`];
  assert.equal(template.kind, 'text');
  return template.kind === 'text'
    ? template.parts.map((part) => (typeof part === 'string' ? part : `<${part.source}>`))
    : [];
}

test('a value without braces is a literal, as a whole', () => {
  const value = { b: [1, 'x', null, true], a: { deep: '}} {' } };
  assert.deepEqual(templateOf(value), { kind: 'literal', json: JSON.stringify(value) });
});

test('a string that is exactly one expression keeps its type', () => {
  assert.deepEqual(templateOf('{{ prev.total + 1 }}'), {
    kind: 'expression',
    expression: { source: ' prev.total + 1 ', pointer: '/at', uses: ['prev'] },
  });
});

test('text around an expression makes it text, a space too', () => {
  assert.deepEqual(partsOf('{{ prev }} '), ['< prev >', ' ']);
  assert.deepEqual(partsOf('Hello, {{ input.body.name }}!'), ['Hello, ', '< input.body.name >', '!']);
  assert.deepEqual(partsOf('{{ prev.a }}{{ prev.b }}'), ['< prev.a >', '< prev.b >']);
});

test('an expression ends at the first }} up to which it parses', () => {
  assert.deepEqual(partsOf('{{ {a: {b: 1}} }}'), ['< {a: {b: 1}} >']);
  assert.deepEqual(partsOf('{{ {a: {}}}}'), ['< {a: {}}>']);
  assert.deepEqual(partsOf('{{ "}}" }} and {{ `}}` + prev }}'), ['< "}}" >', ' and ', '< `}}` + prev >']);
  assert.deepEqual(partsOf('{{ 1 /* }} */ }}!'), ['< 1 /* }} */ >', '!']);
  assert.deepEqual(partsOf('{{ prev // note }} not }}\n }}'), ['< prev // note >', ' not }}\n }}']);
  assert.deepEqual(partsOf('{{ "{{" }}'), ['< "{{" >']);
});

test('a template that is just prev or a node passes its text on unparsed', () => {
  const referenceOf = (text: string) => (templateOf(text) as { reference?: string }).reference;
  assert.equal(referenceOf('{{ prev }}'), 'prev');
  assert.equal(referenceOf('{{nodes.price}}'), 'nodes.price');
  for (const text of ['{{ prev.a }}', '{{ nodes.price.a }}', '{{ (prev) }}', '{{ input }}', "{{ nodes['price'] }}"]) {
    assert.equal(referenceOf(text), undefined, text);
  }
});

test('objects and arrays are taken apart, in the order of the author', () => {
  const template = templateOf({ z: '{{ prev }}', a: 1, list: [1, '{{ nodes.big }}'] });
  assert.equal(template.kind, 'object');
  assert.deepEqual(template.kind === 'object' && template.entries.map(([key, { kind }]) => [key, kind]), [
    ['z', 'expression'],
    ['a', 'literal'],
    ['list', 'array'],
  ]);
});

test('the names of the scope that an expression mentions are known', () => {
  const usesOf = (source: string) => {
    const template = templateOf(`{{ ${source} }}`);
    return template.kind === 'expression' ? template.expression.uses : null;
  };
  assert.deepEqual(usesOf('vars.rate * prev.total'), ['prev', 'vars']);
  assert.deepEqual(usesOf('{ input: 1, a: prev.nodes }'), ['prev']);
  assert.deepEqual(usesOf('{ input }'), ['input']);
  assert.deepEqual(usesOf('exec\\u0075tion.id'), ['execution']);
  assert.deepEqual(usesOf('(() => arguments)()')?.length, 9);
  assert.deepEqual(usesOf('Math.max(1, 2)'), []);
});

test('an expression cannot leave its place', () => {
  for (const source of [
    '1), (2',
    '1); evil(); (2',
    '1 })(); ({',
    '* /',
    'prev; prev',
    'return prev',
    'let a = 1',
    '1 <!-- 2\n)',
  ]) {
    const { problems } = compile(`{{ ${source} }}`);
    assert.notEqual(problems.length, 0, source);
    const problem = compileField(source).problems[0];
    assert.notEqual(problem, undefined, source);
  }
});

function compileField(text: string): { source: string | undefined; problems: Problem[] } {
  const problems: Problem[] = [];
  const expression = compileExpressionField(text, '/at', { nodeNames, report: (problem) => problems.push(problem) });
  return { source: expression?.source, problems };
}

test('a field of kind expression takes braces or none', () => {
  assert.equal(compileField('prev.total > 1000').source, 'prev.total > 1000');
  assert.equal(compileField('{{ prev.total > 1000 }}').source, ' prev.total > 1000 ');
  assert.equal(compileField(' {{ {a: {b: 1}}}} ').source, ' {a: {b: 1}}');
});

test('a field of kind expression is one expression', () => {
  const { source, problems } = compileField('{{ prev.a }} && {{ prev.b }}');
  assert.equal(source, undefined);
  assert.deepEqual(
    problems.map(({ at, message }) => ({ at, isClear: message.includes('one expression') })),
    [{ at: { index: 12 }, isClear: true }],
  );
});

test('an expression of any depth is compiled or refused, never thrown at', () => {
  const { problems } = compileField(`${'('.repeat(4900)}1${')'.repeat(4900)}`);
  for (const { code } of problems) assert.equal(code, 'syntax-error');
  assert.equal(compileField(`1${'+1'.repeat(6000)}`).problems[0]?.code, 'too-large');
});
