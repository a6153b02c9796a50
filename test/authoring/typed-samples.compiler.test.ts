import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { spawnNode, temporaryFolder } from '../cli/spawned.ts';

const root = join(import.meta.dirname, '../..');

const settings = {
  compilerOptions: {
    ...{ target: 'ESNext', module: 'preserve', lib: ['ESNext', 'WebWorker'], types: [], strict: true, noEmit: true },
    ...{ erasableSyntaxOnly: true, allowImportingTsExtensions: true, resolveJsonModule: true },
  },
  include: ['*.ts'],
};

function workflow(node: string, more = ''): string {
  return `import { defineWorkflow } from '@nflow-engine/nflow/workflow';
export default defineWorkflow({
  format: 1,
  name: 'sample',
  triggers: [{ type: 'http', method: 'GET', path: '/api/orders/:order/items/:item' }],
  nodes: {
    first: { type: 'set', values: { a: 1 }, next: 'second' },
    second: { type: 'code', code: ${node} },
  },
  ${more}
});
`;
}

const good: Record<string, string> = {
  parameters: workflow('(input) => input.params.order.length + input.params.item.length'),
  query: workflow(
    "(input) => { const { page = '1' } = input.query; return Array.isArray(page) ? page[0] : page.trim(); }",
  ),
  outputs: workflow('(input, ctx, nodes, prev) => nodes.first.a + prev.a'),
  effects: workflow(
    "async (input, ctx) => (await ctx.http.get('http://a/', { timeout: '2s', cache: { ttl: '1m' } })).body",
  ),
  method: workflow('async function (input, { log, random }) { log.info(random()); return input.headers.accept; }'),
  inTest: `import { runWorkflow } from '@nflow-engine/nflow/testing';
const { output, status } = await runWorkflow('a.workflow.ts', { effects: { http: ({ url }) => ({ body: url.length }) } });
export const all: [unknown, string] = [output, status];
`,
};

const bad: Record<string, [source: string, message: RegExp]> = {
  parameter: [workflow('(input) => input.params.oder'), /'oder' does not exist/],
  parameterType: [workflow('(input) => input.params.item * 2'), /must be of type/],
  output: [workflow('(input, ctx, nodes) => nodes.frist'), /'frist' does not exist/],
  member: [workflow('(input, ctx) => ctx.htpp'), /'htpp' does not exist/],
  query: [workflow('(input) => input.query.page.trim()'), /'trim' does not exist/],
  key: [workflow('(input) => 1', "durabilty: 'durable',"), /durabilty/],
  durability: [workflow('(input) => 1', "durability: 'forever',"), /"forever"/],
  duration: [workflow('(input, ctx) => ctx.sleep({ seconds: 2 })'), /not assignable/],
};

test('the compiler accepts what is right in a workflow file, and finds what is wrong', async (t) => {
  const folder = temporaryFolder(t);
  const link = join(folder, 'node_modules', '@nflow-engine', 'nflow');
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(root, link);
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
  for (const [name, source] of Object.entries(good)) writeFileSync(join(folder, `good-${name}.ts`), source);
  for (const [name, [source]] of Object.entries(bad)) writeFileSync(join(folder, `bad-${name}.ts`), source);
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const { stdout } = await spawnNode(t, [compiler, '-p', folder, '--pretty', 'false']).ended;
  assert.doesNotMatch(stdout, /^\S*good-/m);
  for (const [name, [, message]] of Object.entries(bad)) {
    const found = stdout.split('\n').filter((line) => line.includes(`bad-${name}.ts`));
    assert.notEqual(found.length, 0, `nothing was found in ${name}`);
    assert.match(found.join('\n'), message);
  }
});
