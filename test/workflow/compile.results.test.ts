import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileAuthored, compileWorkflow, type Vars } from '../../src/workflow/compile.ts';
import type { CompiledWorkflow } from '../../src/workflow/compiled.ts';
import type { CodeFile } from '../../src/workflow/nodes.ts';
import { parseJsonDocument } from '../../src/workflow/parse-file.ts';

const price = 'const total: number = prev.total;\nreturn { total };\n';

function compile(text: string, vars: Vars = {}): CompiledWorkflow {
  const { document, problems } = parseJsonDocument(text);
  assert.ok(document !== null && problems.length === 0, JSON.stringify(problems));
  const codeFiles = new Map<string, CodeFile>([['./price.ts', { ok: true, shownAs: 'price.ts', source: price }]]);
  const result = compileAuthored({ file: 'test.workflow.json', document, codeFiles }, vars);
  assert.ok(result.ok, JSON.stringify(result));
  return result.compiled;
}

const everyNode = `{
  // Every type of node, and every field.
  "format": 1, "name": "every-node", "description": "All of them.",
  "triggers": [
    { "type": "http", "method": "POST", "path": "/every/:id/", "headers": ["X-Tenant"], "cookies": ["theme"], "rawBody": true, "sandboxHtml": false,
      "cors": { "origins": ["https://app.example"], "credentials": true, "maxAge": "1m" } },
    { "type": "manual" }
  ],
  "durability": "recorded", "isolation": "shared", "timeout": "1m30s",
  "start": "set",
  "nodes": {
    "end": { "type": "end", "output": "{{ nodes.set }}" },
    "set": { "type": "set", "values": { "z": 1, "a": "{{ input.params.id }}" }, "next": "price" },
    "price": { "type": "code", "code": { "file": "./price.ts" }, "next": "inline" },
    "inline": { "type": "code", "code": "return ctx.now()", "next": "if" },
    "if": { "type": "if", "condition": "{{ prev.total > vars.limit }}", "then": "switch", "else": "http" },
    "switch": { "type": "switch", "value": "prev.kind", "cases": [
      { "equals": { "k": "{{ input.body.k }}" }, "next": "http" }, { "when": "nodes.price.total < 0", "next": "fail" }, { "equals": null }
    ], "default": "respond" },
    "http": { "type": "http", "method": "PUT", "url": "http://127.0.0.1/{{ prev }}", "headers": { "x-a": "{{ prev }}" },
      "query": { "q": 1 }, "body": { "a": ["{{ prev }}"] }, "timeout": "2s", "next": "end" },
    "respond": { "type": "respond", "status": "{{ prev.status }}", "headers": { "content-type": "text/plain" }, "body": "ok {{ prev }}" },
    "fail": { "type": "fail", "code": "bad_{{ prev }}", "message": "It is bad.", "status": 409, "details": { "a": 1 } },
  },
  "layout": { "set": { "x": 1, "y": 2 } },
}`;

test('every type of node is compiled with all of its fields', () => {
  const { program, triggers, ...rest } = compile(everyNode, { limit: 10, b: 'x', a: true });
  assert.deepEqual(
    { ...rest, definitionText: '' },
    {
      name: 'every-node',
      description: 'All of them.',
      durability: 'recorded',
      timeoutMs: 90_000,
      effectFree: false,
      historyClass: null,
      trustGroup: null,
      uses: {
        nodeTypes: ['code', 'end', 'fail', 'http', 'if', 'respond', 'set', 'switch'],
        effects: ['http'],
        vars: ['limit'],
        resources: {},
      },
      definitionText: '',
    },
  );
  assert.deepEqual(triggers, [
    {
      type: 'http',
      method: 'POST',
      path: '/every/:id',
      headers: ['x-tenant'],
      cookies: ['theme'],
      rawBody: true,
      sandboxHtml: false,
      cors: {
        origins: ['https://app.example'],
        headers: ['content-type', 'authorization'],
        exposedHeaders: [],
        credentials: true,
        maxAgeMs: 60_000,
      },
    },
    { type: 'manual' },
  ]);
  assert.equal(program.start, 'set');
  assert.equal(program.varsJson, '{"a":true,"b":"x","limit":10}');
  assert.deepEqual(
    program.nodes.map(({ name }) => name),
    ['end', 'set', 'price', 'inline', 'if', 'switch', 'http', 'respond', 'fail'],
  );
  assert.deepEqual(program.nodes[2], {
    name: 'price',
    type: 'code',
    code: {
      source: 'const total         = prev.total;\nreturn { total };\n',
      file: './price.ts',
      async: false,
      uses: ['prev'],
    },
    next: 'inline',
  });
  const pointer = '/nodes/switch/cases/0/equals/k';
  assert.deepEqual(program.nodes[5], {
    name: 'switch',
    type: 'switch',
    value: { source: 'prev.kind', pointer: '/nodes/switch/value', uses: ['prev'] },
    cases: [
      {
        equals: {
          kind: 'object',
          entries: [['k', { kind: 'expression', expression: { source: ' input.body.k ', pointer, uses: ['input'] } }]],
        },
        next: 'http',
      },
      {
        when: { source: 'nodes.price.total < 0', pointer: '/nodes/switch/cases/1/when', uses: ['nodes'] },
        next: 'fail',
      },
      { equals: { kind: 'literal', json: 'null' }, next: null },
    ],
    default: 'respond',
  });
});

test('what is left out has its default', () => {
  const text =
    '{ "format": 1, "name": "small", "nodes": { "a": { "type": "http", "url": "http://x", "next": "b" }, "b": { "type": "respond" } } }';
  const { triggers, durability, timeoutMs, description, program } = compile(text);
  assert.deepEqual(
    { triggers, durability, timeoutMs, description, start: program.start },
    {
      triggers: [{ type: 'manual' }],
      durability: 'durable',
      timeoutMs: 30_000,
      description: '',
      start: 'a',
    },
  );
  assert.deepEqual(program.nodes, [
    {
      name: 'a',
      type: 'effect',
      nodeType: 'http',
      kind: 'http',
      arguments: { kind: 'literal', json: '{"url":"http://x"}' },
      policy: { timeoutMs: 30_000, retry: null, cache: null, idempotencyKey: null, atMostOnce: false },
      next: 'b',
    },
    { name: 'b', type: 'respond', status: { kind: 'literal', json: '200' }, headers: null, body: null },
  ]);
});

test('compiling the published text gives the same program and the same text', () => {
  const vars = { limit: 10 };
  const authored = compile(everyNode, vars);
  const published = compileWorkflow(authored.definitionText, vars);
  assert.ok(published.ok, JSON.stringify(published));
  assert.deepEqual(published.compiled, authored);
  assert.equal(JSON.stringify(compile(everyNode, vars)), JSON.stringify(authored));
});

test('comments, spaces and the order of the own keys do not make another version', () => {
  const one = compile(
    '{ "format": 1, "name": "x", "nodes": { "a": { "type": "set", "values": { "b": 1, "a": 2 } } } }',
  );
  const other = compile(
    '// c\n{ "nodes": { "a": { "values": { "b": 1, "a": 2 }, "type": "set" } },\n "name": "x", "format": 1, }',
  );
  assert.equal(other.definitionText, one.definitionText);
});

test('the order of nodes, and of keys in values, makes another version', () => {
  const set = (values: string): string => `{ "type": "set", "values": ${values} }`;
  const textOf = (nodes: string): string =>
    compile(`{ "format": 1, "name": "x", "start": "a", "nodes": { ${nodes} } }`).definitionText;
  assert.notEqual(textOf(`"a": ${set('{ "b": 1, "a": 2 }')}`), textOf(`"a": ${set('{ "a": 2, "b": 1 }')}`));
  const a = '"a": { "type": "set", "values": {}, "next": "b" }';
  const b = '"b": { "type": "end" }';
  assert.notEqual(textOf(`${a}, ${b}`), textOf(`${b}, ${a}`));
});

test('a published text that is damaged gives findings', () => {
  const result = compileWorkflow(
    '{ "format": 1, "name": "x", "nodes": { "a": { "type": "code", "code": { "file": "./a.js" } } } }',
    {},
  );
  assert.deepEqual(result.ok ? [] : result.findings.map(({ code, pointer }) => `${pointer} ${code}`), [
    '/nodes/a/code/file code-file',
  ]);
  assert.equal(compileWorkflow('{', {}).ok, false);
});

test('a workflow has no effects when no node can have one', () => {
  const effectFree = (node: string): boolean =>
    compile(`{ "format": 1, "name": "x", "nodes": { "a": ${node} } }`).effectFree;
  assert.equal(effectFree('{ "type": "set", "values": { "a": "{{ input }}" } }'), true);
  assert.equal(effectFree('{ "type": "code", "code": "return input.body" }'), true);
  assert.equal(effectFree('{ "type": "code", "code": "return ctx.http.get(input.body)" }'), false);
  assert.equal(effectFree('{ "type": "http", "url": "http://x" }'), false);
});
