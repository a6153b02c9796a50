import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkHouseRules } from '../../tools/house-rules.ts';
import { readSourceFiles } from '../../tools/source-files.ts';

const rulesOf = (file: string, text: string): string[] =>
  checkHouseRules(new Map([[file, text]])).map(({ line, rule }) => `${line} ${rule}`);

const asserting = "import assert from 'node:assert/strict';\nimport test from 'node:test';\n";

test('the repository keeps the house rules', () => {
  const files = readSourceFiles(fileURLToPath(new URL('../..', import.meta.url)));
  assert.ok(files.size > 50, `only ${files.size} files were found`);
  assert.deepEqual(checkHouseRules(files), []);
});

test('the environment is read in src/config only', () => {
  const reads = 'export const home = process.env.HOME;\n';
  assert.deepEqual(rulesOf('src/engine/run.ts', reads), ['1 environment']);
  assert.deepEqual(rulesOf('src/engine/run.ts', "export const home = process['env'];\n"), ['1 environment']);
  assert.deepEqual(rulesOf('src/engine/run.ts', 'export const { env } = process;\n'), ['1 environment']);
  assert.deepEqual(rulesOf('src/engine/run.ts', "import { env } from 'node:process';\nexport { env };\n"), [
    '1 environment',
  ]);
  assert.deepEqual(rulesOf('src/config/load.ts', reads), []);
  assert.deepEqual(
    rulesOf('src/engine/run.ts', "// process.env is not for us\nexport const text = 'process.env';\n"),
    [],
  );
});

test('any needs a reason beside it, the word does not', () => {
  assert.deepEqual(rulesOf('src/engine/run.ts', 'export const a: any = 1;\n'), ['1 any-reason']);
  assert.deepEqual(rulesOf('src/engine/run.ts', 'export const a = (x: unknown) => x as any;\n'), ['1 any-reason']);
  assert.deepEqual(rulesOf('src/engine/run.ts', '// no\nexport const a: any[] = [];\n'), ['2 any-reason']);
  assert.deepEqual(
    rulesOf('src/engine/run.ts', '// The driver types this as any and gives no better.\nexport const a: any = 1;\n'),
    [],
  );
  assert.deepEqual(rulesOf('src/engine/run.ts', "// any\nexport const any = 'any';\n"), []);
  const commented = 'export interface A {\n  /** Not any more:\n   * any is a word. */\n  a: 1; // any\n}\n';
  assert.deepEqual(rulesOf('src/engine/run.ts', commented), []);
});

test('a way around the compiler or the linter needs a reason', () => {
  const ignore = `@ts-${'ignore'}`;
  const biome = `biome-${'ignore'} lint/suspicious/noExplicitAny`;
  assert.deepEqual(rulesOf('src/engine/run.ts', `// ${ignore}\nexport {};\n`), ['1 escape-reason']);
  assert.deepEqual(
    rulesOf('src/engine/run.ts', `// ${ignore}: the types of this package lack the option\nexport {};\n`),
    [],
  );
  assert.deepEqual(rulesOf('src/engine/run.ts', `// ${biome}: x\nexport {};\n`), ['1 escape-reason']);
  assert.deepEqual(
    rulesOf('test/a/b.c.test.ts', `// @ts-${'expect-error'}\n${asserting}test('x', () => assert.ok(1));\n`),
    ['1 escape-reason'],
  );
});

test('a test that asserts nothing is caught, also when its file asserts elsewhere', () => {
  const text = `${asserting}test('one', () => assert.ok(true));\ntest('two', () => { JSON.parse('1'); });\n`;
  assert.deepEqual(rulesOf('test/a/b.c.test.ts', text), ['4 no-assertion']);
  assert.deepEqual(rulesOf('test/a/b.c.test.ts', "import test from 'node:test';\ntest;\n"), ['1 no-assertion']);
});

test('a test may assert by a function of its file', () => {
  const text = `${asserting}const holds = (x: unknown) => { assert.ok(x); };\nconst twice = () => { holds(1); };\ntest('one', () => twice());\n`;
  assert.deepEqual(rulesOf('test/a/b.c.test.ts', text), []);
});

test('a test may assert by what another module of the tests throws or asserts', () => {
  const useOf = (name: string) =>
    `import test from 'node:test';\nimport { ${name} } from '../support/more.ts';\ntest('one', async () => { await ${name}(200); });\n`;
  const modules = {
    'test/support/more.ts':
      "import { until } from './until.ts';\nexport const soon = () => until();\nexport const later = () => 1;\nexport { until };\n",
    'test/support/until.ts': "export async function until() { throw new Error('not within 5 s'); }\n",
  };
  const rules = (name: string) =>
    checkHouseRules(new Map(Object.entries({ ...modules, 'test/a/b.c.test.ts': useOf(name) }))).map(({ rule }) => rule);
  assert.deepEqual(rules('soon'), []);
  assert.deepEqual(rules('until'), []);
  assert.deepEqual(rules('later'), ['no-assertion']);
});

test('a skipped test needs a reason', () => {
  const body = '() => assert.ok(1)';
  const skip = (how: string): string[] => rulesOf('test/a/b.c.test.ts', `${asserting}${how}\n`);
  assert.deepEqual(skip(`test('x', { skip: true }, ${body});`), ['3 skipped-test']);
  assert.deepEqual(skip(`test('x', { skip: process.platform !== 'linux' }, ${body});`), ['3 skipped-test']);
  assert.deepEqual(skip(`test.skip('x', ${body});`), ['3 skipped-test']);
  assert.deepEqual(skip(`test('x', (t) => { assert.ok(1); t.skip(); });`), ['3 skipped-test']);
  assert.deepEqual(skip(`test.only('x', ${body});`), ['3 skipped-test']);
  assert.deepEqual(
    skip(`test('x', { skip: process.platform === 'linux' ? false : 'needs user namespaces' }, ${body});`),
    [],
  );
  assert.deepEqual(skip(`test('x', (t) => { assert.ok(1); t.skip('needs user namespaces'); });`), []);
});

test('a path of one machine and a registry host are caught in any file', () => {
  assert.deepEqual(rulesOf('README.md', `\ncd /${'home'}/ana/nflow\n`), ['2 machine-tie']);
  assert.deepEqual(rulesOf('src/cli/main.ts', `export const at = '/${'work'}/main';\n`), ['1 machine-tie']);
  assert.deepEqual(rulesOf('docs/install.md', `https://registry.${'npmjs'}.org/nflow\n`), ['1 machine-tie']);
  assert.deepEqual(rulesOf('docs/install.md', 'curl localhost:8080/api/workflow, .nflow/home/x, ~/work/y\n'), []);
});

test('a name that says nothing is caught', () => {
  assert.deepEqual(rulesOf('src/engine/utils.ts', 'export {};\n'), ['1 empty-name']);
  assert.deepEqual(rulesOf('src/helpers/thing.ts', 'export {};\n'), ['1 empty-name']);
  assert.deepEqual(rulesOf('src/engine/runState.ts', 'export {};\n'), ['1 file-name']);
});
