import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createEvaluator } from '../../src/cli/workflow-evaluator.ts';
import type { RunnerDispatcher } from '../../src/dispatch/dispatcher.ts';
import { compileWorkflow } from '../../src/workflow/compile.ts';
import type { Finding } from '../../src/workflow/compiled.ts';
import { diffDefinitions } from '../../src/workflow/definition-diff.ts';
import { type LoadedFiles, type LoadedWorkflow, loadWorkflowFiles } from '../../src/workflow/folder.ts';
import { startTestDispatcher } from '../support/execution-harness.ts';
import { Guest } from '../support/vm.ts';

let dispatcher: RunnerDispatcher;

before(async () => {
  dispatcher = await startTestDispatcher();
});

after(() => dispatcher.close());

const installed = fileURLToPath(new URL('../../node_modules', import.meta.url));
const realPackages = ['zod', 'semver', 'dequal', 'fast-deep-equal'];

/** Loads workflow files from a project of their own, with real packages and with those that the files make. */
async function loadProject(t: TestContext, files: Record<string, string>): Promise<LoadedFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'nflow-imports-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'node_modules'));
  for (const name of realPackages) await symlink(join(installed, name), join(folder, 'node_modules', name));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return loadWorkflowFiles(['flows'], { folder, evaluator: createEvaluator(dispatcher) });
}

function codeWorkflow(code: string | object, more: object = {}): string {
  return JSON.stringify({ format: 1, name: 'imports', nodes: { only: { type: 'code', code } }, ...more });
}

function packageFiles(name: string, source: string): Record<string, string> {
  return {
    [`node_modules/${name}/package.json`]: JSON.stringify({
      name,
      version: '1.0.0',
      type: 'module',
      exports: './index.js',
    }),
    [`node_modules/${name}/index.js`]: source,
  };
}

function only({ workflows, findings }: LoadedFiles): LoadedWorkflow {
  assert.deepEqual(findings, []);
  return workflows[0] as LoadedWorkflow;
}

function run({ program }: LoadedWorkflow, input: unknown): unknown {
  using guest = new Guest(program, 128);
  assert.equal(guest.loadError, '');
  const answer = guest.start({ input });
  return answer.kind === 'ended' ? answer.output : answer;
}

function finding({ findings }: LoadedFiles): Pick<Finding, 'code' | 'message'> & { place: string } {
  assert.equal(findings.length, 1, JSON.stringify(findings, null, 1));
  const { file, line, column, code, message } = findings[0] as Finding;
  return { place: `${file}:${line}:${column}`, code, message };
}

test('a code file imports packages of every form, and types of them vanish', async (t) => {
  const source = `// What an order may be.
import { z, type ZodType } from 'zod';
import type { SemVer } from 'semver'; import { inc as next } from "semver";
import equal, * as every from 'fast-deep-equal';
import rates from './data/rates.json' with { type: 'json' };

const order: ZodType = z.object({ total: z.number(), mail: z.email().optional() });
const parsed = order.safeParse(input);
return [parsed.success, next('1.2.3', 'minor'), equal([1], [1]), every.default === equal, rates.eur];
`;
  const workflow = only(
    await loadProject(t, {
      'flows/a.workflow.json': codeWorkflow({ file: './lib/order.ts' }),
      'flows/lib/order.ts': source,
      'flows/lib/data/rates.json': '{ "eur": 1.25 }',
    }),
  );
  assert.deepEqual(run(workflow, { total: 1 }), [true, '1.3.0', true, true, 1.25]);
  assert.deepEqual(run(workflow, { total: 'x' }), [false, '1.3.0', true, true, 1.25]);
});

test('code inside the workflow file imports too', async (t) => {
  const code = "import { dequal } from 'dequal'; return dequal(input, { a: 1 });";
  assert.equal(run(only(await loadProject(t, { 'flows/a.workflow.json': codeWorkflow(code) })), { a: 1 }), true);
});

test('functions of a workflow module use what the module imports of packages, as does the module itself', async (t) => {
  const workflow = only(
    await loadProject(t, {
      'flows/a.workflow.ts': `import * as versions from 'semver';
import { z } from 'zod';
import { limit } from './shared.ts';

export default {
  format: 1,
  name: z.literal('imports').parse('imports'),
  timeout: \`\${limit}s\`,
  nodes: { only: { type: 'code', code: (input: unknown) => [z.object({ a: z.number() }).parse(input).a, versions.valid('1.0.0')] } },
};
`,
      'flows/shared.ts': "import { major } from 'semver';\nexport const limit = major('7.1.0');\n",
    }),
  );
  assert.equal(workflow.timeoutMs, 7000);
  assert.deepEqual(run(workflow, { a: 1 }), [1, '1.0.0']);
});

test('what is published holds the bundle: it compiles to the same program without the packages, and is the same each time', async (t) => {
  const files = {
    'flows/a.workflow.json': codeWorkflow("import { z } from 'zod'; return z.string().parse(input.body);"),
  };
  const [first, second] = [only(await loadProject(t, files)), only(await loadProject(t, files))];
  assert.equal(first.definitionText, second.definitionText);
  assert.doesNotMatch(first.definitionText, /nflow-imports-|node_modules/);
  const again = compileWorkflow(first.definitionText, {});
  assert.ok(again.ok);
  assert.deepEqual(again.compiled.program, first.program);
  assert.equal(again.compiled.definitionText, first.definitionText);
  assert.equal(run({ ...again.compiled, file: 'a' }, { body: 'text' }), 'text');
});

test('a difference between bundles is told in short', async (t) => {
  const load = async (name: string) =>
    only(
      await loadProject(t, {
        'flows/a.workflow.json': codeWorkflow(`import { ${name} } from 'semver'; return ${name}('1.0.0', '2.0.0');`),
      }),
    ).definitionText;
  const { settings } = diffDefinitions(await load('lt'), await load('gt'));
  assert.deepEqual(
    settings.map(({ pointer }) => pointer),
    ['/bundle'],
  );
  assert.match(JSON.stringify(settings), /"source":"\d+ characters, SHA-256 [\da-f]{12}…"/);
});

test('packages that import each other in a circle work, and those that nobody uses of them are left out', async (t) => {
  const workflow = only(
    await loadProject(t, {
      ...packageFiles('odd', "import { isEven } from 'even'; export const isOdd = (n) => n !== 0 && isEven(n - 1);"),
      ...packageFiles(
        'even',
        "import { isOdd } from 'odd'; export const isEven = (n) => n === 0 || isOdd(n - 1); export const unused = () => 'never seen';",
      ),
      'flows/a.workflow.json': codeWorkflow("import { isEven } from 'even'; return isEven(input.n);"),
    }),
  );
  assert.equal(run(workflow, { n: 4 }), true);
  assert.doesNotMatch(workflow.definitionText, /never seen/);
});

test('an error in code that imports is told at the line and column of its author', async (t) => {
  const workflow = only(
    await loadProject(t, {
      'flows/a.workflow.json': codeWorkflow({ file: './a.ts' }),
      'flows/a.ts': "import { z } from 'zod';\n\nconst given: unknown = 1;\n  z.string().parse(given);\n",
    }),
  );
  using guest = new Guest(workflow.program, 128);
  const answer = guest.start();
  assert.ok(answer.kind === 'failed');
  const { line, column, name } = answer.error;
  assert.deepEqual({ line, column, name }, { line: 4, column: 14, name: 'ZodError' });
});

test('modules are evaluated once in a VM, which has one run at a time; with "fresh" for each run', async (t) => {
  const files = (more: object) => ({
    ...packageFiles('counter', 'let count = 0; export const next = () => ++count; globalThis.seen = true;'),
    'flows/a.workflow.json': codeWorkflow(
      "import { next } from 'counter'; await ctx.sleep('2s'); return [next(), globalThis.seen];",
      more,
    ),
  });
  const counts: unknown[] = [];
  for (const more of [{}, { isolation: 'fresh' }]) {
    using guest = new Guest(only(await loadProject(t, files(more))).program, 128);
    for (let run = 0; run < 2; run++) {
      const { run: id, kind } = guest.start();
      assert.equal(kind, 'waits');
      guest.vm.runs.add(id);
      assert.equal(guest.vm.takesRun, false);
      const end = guest.deliver(id, 'only', 1, 'null');
      guest.vm.runs.delete(id);
      assert.equal(guest.vm.takesRun, true);
      counts.push(end.kind === 'ended' ? end.output : end);
    }
  }
  assert.deepEqual(counts, [
    [1, true],
    [2, true],
    [1, true],
    [1, true],
  ]);
});

test('modules meet the same random numbers in every VM', async (t) => {
  const workflow = only(
    await loadProject(t, {
      ...packageFiles('dice', 'export const thrown = Math.random();'),
      'flows/a.workflow.json': codeWorkflow("import { thrown } from 'dice'; return thrown;"),
    }),
  );
  const thrown = run(workflow, {});
  assert.equal(typeof thrown, 'number');
  assert.equal(run(workflow, {}), thrown);
});

const refused: { name: string; files: Record<string, string>; place: string; code: string; message: RegExp }[] = [
  {
    name: "a module of Node's",
    files: {
      'flows/a.ts': "import { z } from 'zod';\nimport { readFileSync } from 'node:fs';\nreturn readFileSync('/a');",
    },
    place: 'flows/a.ts:2:30',
    code: 'bad-import',
    message: /"node:fs" is a module of Node.*there are none/,
  },
  {
    name: "a package that needs a module of Node's",
    files: {
      ...packageFiles('reader', "import fs from 'fs';\nexport const read = () => fs.readFileSync('/a');"),
      'flows/a.ts': "import { z } from 'zod';\n  import { read } from 'reader';\nreturn read(z);",
    },
    place: 'flows/a.ts:2:24',
    code: 'bad-import',
    message: /needs Node's module "fs" in reader\/index\.js:1/,
  },
  {
    name: 'a native addon',
    files: {
      ...packageFiles('native', "import addon from './addon.node';\nexport default addon;"),
      'node_modules/native/addon.node': 'binary',
      'flows/a.ts': "import addon from 'native'; return addon();",
    },
    place: 'flows/a.ts:1:19',
    code: 'bad-import',
    message: /native addon/,
  },
  {
    name: 'a package that is not installed',
    files: { 'flows/a.ts': "import { x } from '@scope/missing/part'; return x;" },
    place: 'flows/a.ts:1:19',
    code: 'bad-import',
    message: /npm install @scope\/missing$/,
  },
  {
    name: 'a name that a package does not export',
    files: { 'flows/a.ts': "import { z, zz } from 'zod'; return zz(z);" },
    place: 'flows/a.ts:1:13',
    code: 'unknown-export',
    message: /does not export "zz"/,
  },
  {
    name: 'a package that does not run in a VM',
    files: {
      ...packageFiles('host', 'export const home = process.env.HOME;'),
      'flows/a.ts': "import { home } from 'host'; return home;",
    },
    place: 'flows/a.ts:1:22',
    code: 'bad-import',
    message: /process is not defined/,
  },
  {
    name: 'more than a bundle may hold',
    files: {
      ...packageFiles('large', `export const text = ${JSON.stringify('x'.repeat(1_100_000))};`),
      'flows/a.ts': "import { text } from 'large'; return text.length;",
    },
    place: 'flows/a.ts:1:22',
    code: 'too-large',
    message: /too large/,
  },
  {
    name: 'other code',
    files: { 'flows/a.ts': "import { b } from './b.ts'; return b;", 'flows/b.ts': 'export const b = 1;' },
    place: 'flows/a.ts:1:19',
    code: 'not-available',
    message: /imports packages and \.json files/,
  },
  {
    name: 'a file outside of the folder of workflows',
    files: { 'flows/a.ts': "import key from '../key.json'; return key;", 'key.json': '{}' },
    place: 'flows/a.ts:1:17',
    code: 'not-available',
    message: /outside of the folder/,
  },
  {
    name: 'an import that the code decides on',
    files: { 'flows/a.ts': "const name = 'zod';\nreturn import(name);" },
    place: 'flows/a.ts:2:8',
    code: 'not-available',
    message: /[Ii]mport/,
  },
  {
    name: 'an import below other code',
    files: { 'flows/a.ts': "const a = 1;\nimport { z } from 'zod';\nreturn z;" },
    place: 'flows/a.ts:2:1',
    code: 'syntax-error',
    message: /import/,
  },
  {
    name: 'a name that code has already',
    files: { 'flows/a.ts': "import { z } from 'zod';\nconst z = 1;\nreturn z;" },
    place: 'flows/a.ts:2:7',
    code: 'syntax-error',
    message: /"z" is there already/,
  },
  {
    name: 'a name that means something else',
    files: { 'flows/a.ts': "import { z as input } from 'zod';\nreturn input;" },
    place: 'flows/a.ts:1:10',
    code: 'reserved-name',
    message: /"input" means something else/,
  },
];

for (const { name, files, ...expected } of refused) {
  test(`refused with its place: ${name}`, async (t) => {
    const workflow = codeWorkflow({ file: './a.ts' });
    const { message, ...found } = finding(await loadProject(t, { 'flows/a.workflow.json': workflow, ...files }));
    assert.deepEqual(found, { place: expected.place, code: expected.code });
    assert.match(message, expected.message);
  });
}

test('"shared" cannot be asked for together with imports', async (t) => {
  const code = "import { z } from 'zod'; return z.string().parse('a');";
  const loaded = await loadProject(t, { 'flows/a.workflow.json': codeWorkflow(code, { isolation: 'shared' }) });
  const { code: found, message } = finding(loaded);
  assert.equal(found, 'bad-value');
  assert.match(message, /Leave "isolation" out/);
});

test('a module of a workflow file tells of a bad import at its own line', async (t) => {
  const loaded = await loadProject(t, {
    'flows/a.workflow.ts': "import { own } from './own.ts';\nexport default own;\n",
    'flows/own.ts': "// First.\nimport { readFile } from 'fs/promises';\nexport const own = readFile;\n",
  });
  const { place, message } = finding(loaded);
  assert.equal(place, 'flows/own.ts:2:26');
  assert.match(message, /module of Node/);
});
