import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createEvaluator } from '../../src/cli/workflow-evaluator.ts';
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import { compileWorkflow } from '../../src/workflow/compile.ts';
import { loadWorkflowFiles } from '../../src/workflow/folder.ts';
import { authoringPackage } from '../../src/workflow/module/load-modules.ts';
import { startTestDispatcher } from '../support/execution-harness.ts';
import { readMarks } from './marked-text.ts';
import { loadModules, placesOf } from './module-under-test.ts';

let dispatcher: RunnerDispatcher;

before(async () => {
  dispatcher = await startTestDispatcher();
});

after(() => dispatcher.close());

const orderModule = `import { defineWorkflow } from '${authoringPackage}';
import { total, type Item } from './total.ts';
import { path as route } from './deep/routes.ts';
import * as limits from './limits.js';

const price: string = 'price';

export default defineWorkflow({
  format: 1,
  name: 'orders',
  timeout: limits.timeout,
  triggers: [{ type: 'http', method: 'POST', path: route }],
  nodes: {
    [price]: { type: 'code', code: total, next: 'round' },
    round: {
      type: 'code',
      async code(input: { body: { items: Item[] } }, ctx, { price }) {
        ctx.log.info('rounded');
        return Math.round(price.total) as number;
      },
      next: 'last',
    },
    last: { type: 'code', code: ({ body }, _ctx, _nodes, prev = 0) => ({ prev, count: body.items.length }) },
  },
});
`;
const orderFiles = {
  'orders.workflow.ts': orderModule,
  'total.ts': `export interface Item { price: number }
export function total(input: { body: { items: Item[] } }): { total: number } {
  let total = 0;
  for (const { price } of input.body.items) total += price;
  return { total };
}
`,
  'deep/routes.ts': "export { root as path } from './root.ts';",
  'deep/root.ts': "const base = '/api';\nexport const root = base + '/orders';\n",
  'limits.js': "export const timeout = '3s';\nexport default 1;\n",
};

test('a module is evaluated with what it imports, and its functions become the code of nodes', async (t) => {
  const { workflows, findings } = await loadModules(t, dispatcher, orderFiles);
  assert.deepEqual(findings, []);
  const [workflow] = workflows;
  assert.equal(workflow?.name, 'orders');
  assert.equal(workflow.timeoutMs, 3000);
  assert.deepEqual(
    workflow.triggers.map((trigger) => trigger.type === 'http' && trigger.path),
    ['/api/orders'],
  );
  const definition = JSON.parse(workflow.definitionText);
  assert.deepEqual(definition.nodes.price.code, {
    file: './total.ts',
    line: 2,
    column: 8,
    function: orderFiles['total.ts'].slice(orderFiles['total.ts'].indexOf('function'), -1),
  });
  assert.equal(definition.nodes.round.code.file, './orders.workflow.ts');
});

test('a published module compiles again to the same program, without the module', async (t) => {
  const { workflows } = await loadModules(t, dispatcher, orderFiles);
  const [workflow] = workflows;
  const again = compileWorkflow(workflow?.definitionText ?? '', {});
  assert.ok(again.ok && workflow !== undefined);
  assert.deepEqual({ ...again.compiled, file: workflow.file }, workflow);
});

test('the code of a function stands at the line and column that it has in its file', async (t) => {
  const { workflows } = await loadModules(t, dispatcher, orderFiles);
  const node = workflows[0]?.program.nodes.find(({ name }) => name === 'round');
  assert.ok(node?.type === 'code');
  const inModule = orderModule.split('\n').findIndex((line) => line.includes('ctx.log.info'));
  assert.equal(node.code.source.split('\n')[inModule], orderModule.split('\n')[inModule]);
});

test('only the parameters that a function uses are given to it', async (t) => {
  const code = {
    none: '() => 1',
    second: '(_input, ctx) => ctx.now()',
    fourth: '(a, b, c, d) => d',
    pattern: '({ body }) => body',
    rest: '(input, ...others) => others.length',
    all: 'function () { return arguments.length; }',
  };
  const names = Object.keys(code);
  const nodes = Object.entries(code).map(([name, text], at) => {
    const next = at + 1 < names.length ? `, next: '${names[at + 1]}'` : '';
    return `${name}: { type: 'code', code: ${text}${next} }`;
  });
  const file = `export default { format: 1, name: 'uses', nodes: { ${nodes.join(',\n')} } };`;
  const { workflows, findings } = await loadModules(t, dispatcher, { 'uses.workflow.js': file });
  const uses = workflows[0]?.program.nodes.map((node) => [node.name, node.type === 'code' ? node.code.uses : null]);
  assert.deepEqual(findings, []);
  assert.deepEqual(Object.fromEntries(uses ?? []), {
    none: [],
    second: ['ctx'],
    fourth: ['prev'],
    pattern: ['input'],
    rest: ['ctx', 'nodes', 'prev', 'error'],
    all: ['input', 'ctx', 'nodes', 'prev', 'error'],
  });
});

test('the same file gives the same text, and a moved function another version', async (t) => {
  const [first, second] = await Promise.all([
    loadModules(t, dispatcher, orderFiles),
    loadModules(t, dispatcher, orderFiles),
  ]);
  assert.equal(first.workflows[0]?.definitionText, second.workflows[0]?.definitionText);
  const moved = await loadModules(t, dispatcher, { ...orderFiles, 'orders.workflow.ts': `\n${orderModule}` });
  assert.notEqual(moved.workflows[0]?.definitionText, first.workflows[0]?.definitionText);
});

const broken: Record<string, { files: Record<string, string>; code: string; says?: RegExp }> = {
  'a mistake in the syntax': {
    files: { 'a.workflow.ts': 'const a: number = 1;\nexport default { format: 1,⟦, };' },
    code: 'syntax-error',
  },
  'an error that it throws': {
    files: {
      'a.workflow.ts': "import './deep.ts';\nexport default {};",
      'deep.ts': '\n  const x: any = null;\n  x.⟦y;',
    },
    code: 'evaluation-failed',
    says: /TypeError/,
  },
  'a key that is not known': {
    files: { 'a.workflow.ts': "export default { format: 1, name: 'a', ⟦colour: 1, nodes: { a: { type: 'end' } } };" },
    code: 'unknown-key',
  },
  'a value in a constant': {
    files: {
      'a.workflow.ts':
        "const nodes = { a: { type: 'end', ⟦nxt: 1 } } as const;\nexport default { format: 1, name: 'a', nodes };",
    },
    code: 'unknown-key',
  },
  'an expression in a text': {
    files: {
      'a.workflow.ts':
        "export default {\n  format: 1, name: 'a',\n  nodes: { a: { type: 'set', values: { b: 'x {{ ⟦nonsense }}' } } },\n};",
    },
    code: 'unknown-name',
  },
  'a name from outside': {
    files: {
      'a.workflow.ts':
        "const rate = 2;\nexport default { format: 1, name: 'a', nodes: { a: { type: 'code', code: (input) => input.body * ⟦rate } } };",
    },
    code: 'outside-name',
    says: /line 1/,
  },
  'a parameter that is not named': {
    files: {
      'a.workflow.ts':
        "export default { format: 1, name: 'a', nodes: { a: { type: 'code', code: (input) => ⟦prev } } };",
    },
    code: 'outside-name',
    says: /parameter 4/,
  },
  'a node that is not there, under another name of the parameter': {
    files: {
      'a.workflow.ts':
        "export default { format: 1, name: 'a', nodes: { a: { type: 'code',\n code: (input, ctx, others) => others.⟦missing } } };",
    },
    code: 'unknown-node',
  },
  'a part of ctx that is not there yet': {
    files: {
      'a.workflow.ts':
        "export default { format: 1, name: 'a', nodes: { a: { type: 'code',\n code: async (input, c) => c.⟦call('x') } } };",
    },
    code: 'not-available',
  },
  'a generator': {
    files: {
      'a.workflow.ts':
        "export default { format: 1, name: 'a', nodes: { a: { type: 'code', code: ⟦function* () { yield 1; } } } };",
    },
    code: 'bad-value',
  },
  'a function where data belongs': {
    files: { 'a.workflow.ts': "export default { format: 1, name: 'a', description: ⟦() => 1, nodes: {} };" },
    code: 'bad-value',
  },
  'a bound function, which has no source': {
    files: {
      'a.workflow.ts':
        "function f() {}\nexport default { format: 1, name: 'a', nodes: { a: { type: 'code', code: ⟦f.bind(null) } } };",
    },
    code: 'bad-value',
  },
  'an object of a class': {
    files: { 'a.workflow.ts': "export default { format: 1, name: 'a', nodes: ⟦new Map() };" },
    code: 'bad-value',
    says: /a Map/,
  },
  'something that contains itself': {
    files: { 'a.workflow.ts': 'const a: any = ⟦{};\na.nodes = a;\nexport default a;' },
    code: 'bad-value',
    says: /contains itself/,
  },
  'no default export': { files: { 'a.workflow.ts': '⟦export const a = 1;' }, code: 'missing-export' },
  'a package': { files: { 'a.workflow.ts': "import a from ⟦'lodash';\nexport default a;" }, code: 'bad-import' },
  'a module of Node': {
    files: { 'a.workflow.ts': "import { readFileSync } from ⟦'node:fs';\nexport default readFileSync;" },
    code: 'bad-import',
  },
  'a file from outside of the folder': {
    files: { 'in/a.workflow.ts': "import a from ⟦'../out.ts';\nexport default a;", 'out.ts': 'export default 1;' },
    code: 'code-file',
  },
  'a file that is not there': {
    files: { 'a.workflow.ts': "\nimport a from ⟦'./b.ts';\nexport default a;" },
    code: 'code-file',
  },
  'a name that is not exported': {
    files: {
      'a.workflow.ts': "import { ⟦Order } from './b.ts';\nexport default Order;",
      'b.ts': 'export interface Order {}',
    },
    code: 'unknown-export',
    says: /import type/,
  },
  'a circle of imports': {
    files: {
      'a.workflow.ts': "import './b.ts';\nexport default 1;",
      'b.ts': "import './c.ts';",
      'c.ts': "import ⟦'./b.ts';",
    },
    code: 'import-circle',
  },
  'an import that is decided when it runs': {
    files: { 'a.workflow.ts': "export default await ⟦import('./b.ts');", 'b.ts': 'export default 1;' },
    code: 'not-available',
  },
};

for (const [what, { files, code, says }] of Object.entries(broken)) {
  test(`${what} is told at its place in the author's file`, async (t) => {
    const read = Object.entries(files).map(([name, marked]) => ({ name, ...readMarks(marked) }));
    const marked = read.find(({ places }) => places.length > 0);
    assert.ok(marked !== undefined);
    const only = Object.fromEntries(read.map(({ name, text }) => [name, text]));
    const root = Object.keys(files)[0]?.includes('/') ? ['in'] : ['.'];
    const loaded = await loadModules(t, dispatcher, only, { paths: root });
    assert.deepEqual(loaded.workflows, []);
    const [place] = marked.places;
    assert.deepEqual(placesOf(loaded), [`${marked.name}:${place?.line}:${place?.column} ${code}`]);
    if (says !== undefined) assert.match(`${loaded.findings[0]?.message} ${loaded.findings[0]?.got}`, says);
  });
}

test('modules and JSON files in one folder are told apart by name', async (t) => {
  const same = "export default { format: 1, name: 'same', nodes: { a: { type: 'end' } } };";
  const loaded = await loadModules(t, dispatcher, {
    'a.workflow.ts': same,
    'b.workflow.json': '{ "format": 1, "name": "same", "nodes": { "a": { "type": "end" } } }',
    'not-a-workflow.ts': 'throw new Error("nobody imports it");',
  });
  assert.deepEqual(placesOf(loaded), [
    'a.workflow.ts:1:35 duplicate-workflow',
    'b.workflow.json:1:24 duplicate-workflow',
  ]);
});

test('the examples compile without findings', async () => {
  const folder = fileURLToPath(new URL('../../examples', import.meta.url));
  const { workflows, findings } = await loadWorkflowFiles(['.'], { folder, evaluator: createEvaluator(dispatcher) });
  assert.deepEqual(findings, []);
  assert.deepEqual(
    workflows.map(({ name, durability, effectFree }) => `${name} ${durability}${effectFree ? '' : ' with effects'}`),
    [
      'availability recorded with effects',
      'discount durable with effects',
      'greeting recorded',
      'order-notify durable with effects',
      'order-total durable',
      'stock recorded',
      'webhook durable with effects',
      'workflow ephemeral',
    ],
  );
});
