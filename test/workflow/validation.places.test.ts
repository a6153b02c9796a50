import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileAuthored } from '../../src/workflow/compile.ts';
import type { Finding } from '../../src/workflow/compiled.ts';
import { parseJsonDocument } from '../../src/workflow/parse-file.ts';
import { readMarks } from './marked-text.ts';

function findingsOf(text: string): Finding[] {
  const { document, problems } = parseJsonDocument(text);
  const file = 'test.workflow.json';
  const findings = problems.map((problem): Finding => ({ file, ...problem }));
  if (document === null) return findings;
  const result = compileAuthored({ file, document, codeFiles: new Map() }, {});
  return result.ok ? findings : [...findings, ...result.findings];
}

/** Around parts of a workflow that is otherwise right. */
const withNodes = (nodes: string, start = ''): string =>
  `{\n  "format": 1, "name": "test",\n  "nodes": {\n    ${nodes}\n  }${start}\n}`;
const withNode = (node: string): string => withNodes(`"only": ${node}`);
const withKeys = (keys: string): string =>
  `{\n  "format": 1, "name": "test",\n  ${keys},\n  "nodes": { "only": { "type": "end" } }\n}`;
const withTrigger = (trigger: string): string => withKeys(`"triggers": [${trigger}]`);
const withPath = (path: string): string => withTrigger(`{ "type": "http", "method": "GET", "path": ${path} }`);

/**
 * What is wrong, the text with a ⟦ at each place that a finding names, and the findings' codes in the order of the file. A word
 * after the code is in the finding's message or in what it says is allowed.
 */
const table: [title: string, marked: string, ...findings: string[]][] = [
  // The text as JSON.
  ['a missing comma', '{ "format": 1 ⟦"name": "x" }', 'bad-json comma'],
  ['a file that ends early', '{ "format": 1,\n  "name": "x"⟦', 'bad-json closed'],
  ['an unquoted key', '{ ⟦format: 1 }', 'bad-json'],
  ['a duplicate key', withKeys('"description": "a",\n  ⟦"description": "b"'), 'duplicate-key line 3'],
  ['a duplicate node', withNodes('"a": { "type": "end" }, ⟦"a": { "type": "end" }'), 'duplicate-key twice'],
  ['a __proto__ key in a value', withNode('{ "type": "end", "output": { ⟦"__proto__": 1 } }'), 'reserved-key'],
  ['another value than an object', '⟦[]', 'bad-value object'],
  ['deep nesting', `${'['.repeat(64)}⟦[${']'.repeat(65)}`, 'too-deep 64'],

  // Keys and values of the workflow.
  ['an unknown key', withKeys('⟦"descripton": "x"'), 'unknown-key description'],
  ['a key that is not there yet', withKeys('⟦"concurrency": { "limit": 1 }'), 'not-available concurrency'],
  ['the secrets of a workflow', withKeys('⟦"secrets": ["HOOK"]'), 'not-available secrets'],
  ['another format', '{ "format": ⟦2, "name": "x", "nodes": { "a": { "type": "end" } } }', 'bad-value 1'],
  ['no name', '⟦{ "format": 1, "nodes": { "a": { "type": "end" } } }', 'missing-key name'],
  ['a bad name', '{ "format": 1, "name": ⟦"Order", "nodes": { "a": { "type": "end" } } }', 'bad-value lower-case'],
  ['an unknown isolation', withKeys('"isolation": ⟦"freshly"'), 'bad-value fresh'],
  ['an unknown durability', withKeys('"durability": ⟦"durabel"'), 'bad-value durable'],
  ['a bad duration', withKeys('"timeout": ⟦"5 minutes"'), 'bad-value 1h30m'],
  ['a number as a duration', withKeys('"timeout": ⟦30'), 'bad-value 1h30m'],
  ['a duration of nothing', withKeys('"timeout": ⟦"0s"'), 'bad-value 1ms'],
  ['a duration past the limit', withKeys('"timeout": ⟦"25h"'), 'bad-value 24h'],
  ['no nodes at all', '⟦{ "format": 1, "name": "x" }', 'missing-key nodes'],
  ['no nodes', '{ "format": 1, "name": "x", "nodes": ⟦{} }', 'too-many 500'],
  ['too many nodes', `{ "format": 1, "name": "x", "nodes": ⟦{ ${chain(501)} } }`, 'too-many 500'],

  // Nodes and edges.
  ['an unknown type of node', withNode('{ "type": ⟦"cod", "code": "return 1" }'), 'bad-value code'],
  ['a type of node that is not there yet', withNode('{ "type": ⟦"parallel" }'), 'not-available parallel'],
  ['a node without a type', withNode('⟦{ "code": "return 1" }'), 'missing-key type'],
  ['a node that is no object', withNode('⟦"end"'), 'missing-key type'],
  ['a reserved name', withNodes('⟦"prev": { "type": "end" }'), 'reserved-name prev'],
  ['the name __proto__', withNodes('⟦"__proto__": { "type": "end" }'), 'reserved-name __proto__'],
  ['a bad name of a node', withNodes('⟦"order-total": { "type": "end" }'), 'bad-name letter'],
  ['an unknown start', withNodes('"price": { "type": "end" }', ',\n  "start": ⟦"pric"'), 'unknown-node price'],
  ['an unknown next', withNode('{ "type": "set", "values": {}, "next": ⟦"onyl" }'), 'unknown-node only'],
  [
    'unknown branches',
    withNode('{ "type": "if", "condition": "true", "then": ⟦"yes", "else": ⟦"no" }'),
    'unknown-node yes',
    'unknown-node no',
  ],
  [
    'unknown cases',
    withNode('{ "type": "switch", "cases": [{ "when": "true", "next": ⟦"x" }],\n "default": ⟦"y" }'),
    'unknown-node x',
    'unknown-node y',
  ],
  [
    'an unreachable node, and those behind it',
    withNodes(
      '"a": { "type": "end" },\n ⟦"b": { "type": "set", "values": {}, "next": "c" },\n ⟦"c": { "type": "end" }',
    ),
    'unreachable-node b',
    'unreachable-node c',
  ],
  [
    'a mistyped edge, whose target is not unreachable as well',
    withNodes('"a": { "type": "set", "values": {}, "next": ⟦"pirce" }, "price": { "type": "end" }'),
    'unknown-node price',
  ],
  [
    'a cycle',
    withNodes(
      '"a": { "type": "set", "values": {}, "next": "b" },\n "b": { "type": "if", "condition": "true", "else": ⟦"a" }',
    ),
    'cycle a → b → a',
  ],
  ['a node that follows itself', withNode('{ "type": "set", "values": {}, "next": ⟦"only" }'), 'cycle only → only'],
  ['an unknown key of a node', withNode('{ "type": "end", ⟦"outptu": 1 }'), 'unknown-key output'],
  ['a key of a node that is not there yet', withNode('{ "type": "end", ⟦"retry": {} }'), 'not-available retry'],
  [
    'onError of a node to itself',
    withNode('{ "type": "http", "url": "http://x", "onError": ⟦"only" }'),
    'cycle only → only',
  ],
  ['onError to nowhere', withNode('{ "type": "set", "values": {}, "onError": ⟦"olny" }'), 'unknown-node only'],
  [
    'onError of a node that ends the run',
    withNodes(
      '"a": { "type": "set", "values": {}, "next": "b", "onError": "c" },\n "b": { "type": "end", ⟦"onError": "c" },\n "c": { "type": "end" }',
    ),
    'unknown-key output',
  ],
  [
    'error where no onError leads to',
    withNodes(
      '"a": { "type": "set", "values": {}, "next": "b", "onError": "c" },\n "b": { "type": "end", "output": ⟦"{{ error.code }}" },\n "c": { "type": "end", "output": "{{ error.code }}" }',
    ),
    'no-error-here "b"',
  ],
  [
    'error in code where no onError leads to',
    withNode('{ "type": "code", "code": ⟦"return error.message;" }'),
    'no-error-here "only"',
  ],
  [
    'next of respond',
    withNodes('"a": { "type": "respond", ⟦"next": "b" },\n "b": { "type": "end" }'),
    'not-available next',
  ],
  ['a field that is missing', withNode('⟦{ "type": "if" }'), 'missing-key condition'],
  ['a field of another type', withNode('{ "type": "if", "condition": ⟦true }'), 'bad-value string'],
  [
    'an unknown key of code',
    withNode('{ "type": "code", "code": ⟦{ ⟦"fil": "x" } }'),
    'missing-key file',
    'unknown-key',
  ],
  ['code and file', withNode('{ "type": "code", "code": { "file": "./a.js", ⟦"source": "x" } }'), 'unknown-key file'],
  ['a case with no condition', withNode('{ "type": "switch", "cases": [⟦{}] }'), 'bad-case equals'],
  [
    'a case that compares with nothing',
    withNode('{ "type": "switch", "cases": [⟦{ "equals": 1 }] }'),
    'bad-case value',
  ],
  ['no cases', withNode('{ "type": "switch", "value": "1", "cases": ⟦[] }'), 'bad-value one case'],
  ['a status out of range', withNode('{ "type": "respond", "status": ⟦600 }'), 'bad-status 599'],
  ['a status that informs', withNode('{ "type": "respond", "status": ⟦101 }'), 'bad-status 200'],
  ['a failure with success', withNode('{ "type": "fail", "message": "x", "status": ⟦200 }'), 'bad-status 400'],
  ['a header with a space', withNode('{ "type": "respond", "headers": { ⟦"x y": "1" } }'), 'bad-header letters'],
  ['a header with a line break', withNode('{ "type": "respond", "headers": { "x": ⟦"a\\nb" } }'), 'bad-header line'],
  ['a header of nFlow', withNode('{ "type": "respond", "headers": { ⟦"nflow-x": "1" } }'), 'bad-header nflow-'],
  ['a header of the connection', withNode('{ "type": "respond", "headers": { ⟦"Connection": "x" } }'), 'bad-header'],
  ['a header twice', withNode('{ "type": "respond", "headers": { "a": "1", ⟦"A": "2" } }'), 'bad-header twice'],
  ['an address of another kind', withNode('{ "type": "http", "url": ⟦"file:///etc/passwd" }'), 'bad-url http://'],
  ['a method in small letters', withNode('{ "type": "http", "url": "http://x", "method": ⟦"post" }'), 'bad-value POST'],
  ['a GET with a body', withNode('{ "type": "http", "url": "http://x", ⟦"body": 1 }'), 'bad-value query'],

  // Triggers.
  ['an unknown trigger', withTrigger('{ "type": ⟦"htpp" }'), 'bad-value http'],
  ['a trigger that is not there yet', withTrigger('{ "type": ⟦"schedule" }'), 'not-available schedule'],
  [
    'the mode of a trigger',
    withTrigger('{ "type": "http", "method": "GET", "path": "/a", ⟦"mode": "async" }'),
    'not-available mode',
  ],
  ['a path without a slash', withPath('"⟦orders"'), 'bad-path begins'],
  ['a path of the server', withPath('"⟦/nflow/x"'), 'bad-path /nflow'],
  ['a public path of the server', withPath('"⟦/_nflow/runs"'), 'bad-path /_nflow'],
  ['the health path', withPath('"⟦/health"'), 'bad-path /health'],
  ['the ready path', withPath('"⟦/ready/"'), 'bad-path /ready'],
  ['the metrics path', withPath('"⟦/metrics"'), 'bad-path /metrics'],
  ['an empty segment', withPath('"/a/⟦/b"'), 'bad-path empty'],
  ['a star in the middle', withPath('"/a/⟦*/b"'), 'bad-path last'],
  ['a parameter with a pattern', withPath('"/a/⟦:id(\\\\d+)"'), 'bad-path plain name'],
  ['a parameter twice', withPath('"/:id/⟦:id"'), 'bad-path twice'],
  ['a parameter of the prototype', withPath('"/⟦:__proto__"'), 'bad-path plain name'],
  ['a percent sign', withPath('"/⟦a%20b"'), 'bad-path character'],
  ['dots', withPath('"/a/⟦.."'), 'bad-path'],
  [
    'a route twice, under two names of the parameter',
    withTrigger(
      '{ "type": "http", "method": "GET", "path": "/a/:x" },\n ⟦{ "type": "http", "method": "GET", "path": "/a/:y/" }',
    ),
    'duplicate-route /triggers/0',
  ],
  [
    'HEAD for a workflow with effects',
    '{ "format": 1, "name": "x", "triggers": [{ "type": "http", "path": "/a", "method": ⟦"HEAD" }],' +
      '"nodes": { "a": { "type": "http", "url": "http://x" } } }',
    'bad-value effects',
  ],

  // Expressions and templates: in the workflow file, behind whatever escapes.
  [
    'a bad condition',
    withNode('{ "type": "if", "condition": "prev.a > > ⟦1" }').replace('> ⟦1', '⟦> 1'),
    'syntax-error >',
  ],
  ['a condition that ends early', withNode('{ "type": "if", "condition": "prev.a >⟦" }'), 'syntax-error early'],
  ['a bad template', withNode('{ "type": "end", "output": "a {{ prev ⟦x }}" }'), 'syntax-error x'],
  [
    'a bad template behind escapes',
    withNode('{ "type": "end", "output": { "k": ["\\u00e9\\n\\"{{ prev.a ⟦b }}\\""] } }'),
    'syntax-error b',
  ],
  ['a template that is not closed', withNode('{ "type": "end", "output": "x ⟦{{ prev" }'), 'syntax-error closed'],
  ['an empty template', withNode('{ "type": "end", "output": "{{⟦ }}" }'), 'syntax-error empty'],
  ['await', withNode('{ "type": "end", "output": "{{ ⟦await prev }}" }'), 'async-expression synchronous'],
  ['an async function', withNode('{ "type": "end", "output": "{{ (⟦async () => 1)() }}" }'), 'async-expression'],
  ['secrets', withNode('{ "type": "end", "output": "{{ ⟦secrets.HOOK }}" }'), 'secret-not-allowed effects'],
  ['an unknown name', withNode('{ "type": "end", "output": "{{ ⟦prv.total }}" }'), 'unknown-name prev'],
  ['effects in an expression', withNode('{ "type": "end", "output": "{{ ⟦ctx.now() }}" }'), 'unknown-name code node'],
  ['an unknown node', withNode('{ "type": "end", "output": "{{ nodes.⟦onyl.a }}" }'), 'unknown-node only'],
  ['a template in a key', withNode('{ "type": "end", "output": { ⟦"{{ prev }}": 1 } }'), 'template-key'],
  [
    'two mistakes in one text',
    withNode('{ "type": "end", "output": "{{ ⟦a }} and {{ ⟦b }}" }'),
    'unknown-name "a"',
    'unknown-name "b"',
  ],
];

function chain(length: number): string {
  return Array.from({ length }, (_, index) => {
    const next = index + 1 < length ? `, "next": "n${index + 1}"` : '';
    return `"n${index}": { "type": "set", "values": {}${next} }`;
  }).join(', ');
}

for (const [title, marked, ...expected] of table) {
  test(`the place and the code of ${title}`, () => {
    const { text, places } = readMarks(marked);
    const findings = findingsOf(text);
    assert.deepEqual(
      findings.map(({ code, line, column }) => ({ code, line, column })),
      expected.map((row, index) => ({ code: row.split(' ')[0], ...places[index] })),
      JSON.stringify(findings, null, 2),
    );
    for (const [index, row] of expected.entries()) {
      const { message, expected: allowed, got, file } = findings[index] as Finding;
      const word = row.split(' ').slice(1).join(' ');
      assert.ok(`${message} ${allowed}`.includes(word), `${JSON.stringify(word)} is in: ${message} ${allowed}`);
      assert.notEqual(got, '');
      assert.equal(file, 'test.workflow.json');
    }
  });
}

test('every finding of a file is reported, in the order of the file', () => {
  const findings = findingsOf(`{
  "format": 1, "name": "Bad",
  "triggers": [{ "type": "http", "method": "GET", "path": "/health" }],
  "nodes": {
    "a": { "type": "code", "code": "return (", "next": "b" },
    "b": { "type": "if", "condition": "prev >", "then": "zz" },
    "c": { "type": "end" }
  }
}`);
  assert.deepEqual(
    findings.map(({ pointer, code }) => `${pointer} ${code}`),
    [
      '/name bad-value',
      '/triggers/0/path bad-path',
      '/nodes/a/code syntax-error',
      '/nodes/b/condition syntax-error',
      '/nodes/b/then unknown-node',
      '/nodes/c unreachable-node',
    ],
  );
});

test('a node with one bad field has its other fields checked too', () => {
  const findings = findingsOf(withNode('{ "type": "respond", "nxt": "a", "status": 99, "body": "{{ prv }}" }'));
  assert.deepEqual(
    findings.map(({ code }) => code),
    ['unknown-key', 'bad-status', 'unknown-name'],
  );
});

test('a file with very many mistakes gives a bounded number of findings', () => {
  const nodes = Array.from({ length: 400 }, (_, index) => `"n${index}": { "type": "nonsense" }`).join(',');
  const findings = findingsOf(withNodes(nodes));
  assert.equal(findings.length, 100);
  assert.equal(findings.filter(({ code }) => code === 'too-many-findings').length, 1);
});

test('comments and trailing commas are allowed', () => {
  assert.deepEqual(
    findingsOf('// a\n{ "format": 1, /* b */ "name": "x", "nodes": { "a": { "type": "end", }, }, }'),
    [],
  );
});
