import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkLayers, layers } from '../../tools/layers.ts';
import { readSourceFiles } from '../../tools/source-files.ts';

const rulesOf = (files: Record<string, string>): string[] =>
  checkLayers(new Map(Object.entries(files))).map(({ file, line, rule }) => `${file}:${line} ${rule}`);

test('the repository keeps the layer order and has no import cycle', () => {
  const files = readSourceFiles(fileURLToPath(new URL('../..', import.meta.url)));
  assert.ok(files.has('src/errors.ts'), 'the sources were found');
  assert.deepEqual(checkLayers(files), []);
});

test('the table of layers has no cycle itself', () => {
  const done = new Set<string>();
  const visit = (name: string, path: string[]): void => {
    assert.ok(!path.includes(name), `the layers form a cycle: ${[...path, name].join(' → ')}`);
    if (done.has(name)) return;
    for (const next of layers[name]?.mayImport ?? []) {
      assert.ok(next in layers, `the layer ${name} may import ${next}, which is not a layer`);
      visit(next, [...path, name]);
    }
    done.add(name);
  };
  for (const name of Object.keys(layers)) visit(name, []);
  assert.equal(done.size, Object.keys(layers).length);
});

test('an import of a higher layer is caught', () => {
  const files = {
    'src/config/load.ts': "import { a } from '../engine/engine.ts';\n",
    'src/engine/engine.ts': 'export const a = 1;\n',
  };
  assert.deepEqual(rulesOf(files), ['src/config/load.ts:1 layer-order']);
});

test('a type that leaks upwards is caught as well', () => {
  const files = {
    'src/errors.ts': "\n\nimport type { Pool } from './store/pool.ts';\nexport type P = Pool;\n",
    'src/store/pool.ts': 'export interface Pool {}\n',
  };
  assert.deepEqual(rulesOf(files), ['src/errors.ts:3 layer-order']);
});

test('the engine reaches the store by its port only', () => {
  const files = {
    'src/engine/run.ts':
      "import type { Store } from '../store/port.ts';\nimport { Ledger } from '../store/ledger.ts';\nnew Ledger() satisfies Store;\n",
    'src/store/port.ts': 'export interface Store {}\n',
    'src/store/ledger.ts': 'export class Ledger {}\n',
  };
  assert.deepEqual(rulesOf(files), ['src/engine/run.ts:2 layer-order']);
});

test('a driver outside its home is caught', () => {
  const files = {
    'src/engine/run.ts': "import pg from 'pg';\npg.Client;\n",
    'src/server/http.ts': "import fastify from 'fastify';\nfastify();\n",
  };
  assert.deepEqual(rulesOf(files), ['src/engine/run.ts:1 layer-package']);
});

test('a module of Node inside the isolate is caught', () => {
  assert.deepEqual(rulesOf({ 'src/guest/kernel.ts': "import fs from 'node:fs';\nfs;\n" }), [
    'src/guest/kernel.ts:1 layer-node',
  ]);
});

test('a file that no layer holds is caught', () => {
  assert.deepEqual(rulesOf({ 'src/extra/thing.ts': 'export {};\n' }), ['src/extra/thing.ts:1 layer-unknown']);
});

test('an import cycle is caught, with its path', () => {
  const files = new Map([
    ['src/workflow/a.ts', "import { b } from './b.ts';\nexport const a = () => b;\n"],
    ['src/workflow/b.ts', "import { c } from './c.ts';\nexport const b = () => c;\n"],
    ['src/workflow/c.ts', "export { a as c } from './a.ts';\n"],
    ['src/workflow/d.ts', "import { a } from './a.ts';\na();\n"],
  ]);
  const [cycle, ...others] = checkLayers(files);
  assert.deepEqual(others, []);
  assert.equal(cycle?.rule, 'import-cycle');
  assert.match(
    cycle?.message ?? '',
    /^src\/workflow\/a\.ts → src\/workflow\/b\.ts → src\/workflow\/c\.ts → src\/workflow\/a\.ts/,
  );
});

test('a dynamic import closes a cycle, a type-only one does not', () => {
  const back = (line: string) => ({
    'src/workflow/a.ts': "import { b } from './b.ts';\nexport const a = b;\n",
    'src/workflow/b.ts': line,
  });
  assert.deepEqual(rulesOf(back("export const b = () => import('./a.ts');\n")), ['src/workflow/a.ts:1 import-cycle']);
  assert.deepEqual(rulesOf(back("import type { a } from './a.ts';\nexport const b: typeof a | 1 = 1;\n")), []);
});

test('an import of a file that is not there is caught', () => {
  assert.deepEqual(rulesOf({ 'src/errors.ts': "import './gone.ts';\n" }), ['src/errors.ts:1 import-missing']);
});
