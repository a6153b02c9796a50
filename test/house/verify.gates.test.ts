import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { steps } from '../../tools/verify.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a step of verify runs, without its last argument: the files it looks at. */
function gate(name: string): string[] {
  const [entry, ...args] = steps.find((step) => step.name === name)?.args ?? [];
  assert.ok(entry !== undefined, `verify has no step ${name}`);
  return [entry.startsWith('node_modules/') ? join(root, entry) : entry, ...args.slice(0, -1)];
}

/** A temporary folder with these files, removed when the test is over. */
function temporaryFolder(t: TestContext, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'nflow-gate-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

function run(args: string[], cwd = root): { status: number | null; output: string } {
  // A test runner that finds this variable takes itself for a child of another one and runs nothing.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    env,
    timeout: 60_000,
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return { status, output: stdout + stderr };
}

/** Runs two steps of `verify-steps.ts`, the first of which exits as told. */
function runSteps(
  t: TestContext,
  firstStep: string,
  firstTimeoutMs = 30_000,
): { status: number | null; output: string } {
  const steps = JSON.stringify([
    { name: 'first', args: ['-e', firstStep], timeoutMs: firstTimeoutMs },
    { name: 'second', args: ['-e', "console.log('second ran')"], timeoutMs: 20_000 },
  ]);
  const script = `import { runSteps } from ${JSON.stringify(new URL('../../tools/verify-steps.ts', import.meta.url).href)};
    process.exitCode = await runSteps(${steps}, process.cwd());`;
  return run([join(temporaryFolder(t, { 'steps.mjs': script }), 'steps.mjs')]);
}

test('verify runs every step when all pass and prints their time', (t) => {
  const { status, output } = runSteps(t, '0');
  assert.equal(status, 0);
  assert.match(output, /✔ first {2}\d+\.\d s/);
  assert.match(output, /second ran\n$/);
});

test('verify stops at the first step that fails and hands on its exit code', (t) => {
  const { status, output } = runSteps(t, 'process.exit(3)');
  assert.equal(status, 3);
  assert.match(output, /✖ first failed after .* \(exit code 3\)/);
  assert.doesNotMatch(output, /second ran/);
});

test('verify fails when a step is killed by a signal', (t) => {
  const { status, output } = runSteps(t, "process.kill(process.pid, 'SIGKILL')");
  assert.equal(status, 137);
  assert.doesNotMatch(output, /second ran/);
});

test('verify ends a step that hangs, and fails even when it ends politely', (t) => {
  const { status, output } = runSteps(
    t,
    "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)",
    2_000,
  );
  assert.equal(status, 1);
  assert.match(output, /first did not end within 2 s/);
  assert.doesNotMatch(output, /second ran/);
});

test('verify refuses a step that it does not have', () => {
  const { status, output } = run(['tools/verify.ts', 'lints']);
  assert.equal(status, 2);
  assert.match(output, /unknown step: lints; there are format, types, layers, house, build, machine, tests/);
});

test('the format gate catches bad formatting, any and an import that should be a type', (t) => {
  const biome = (name: string, text: string) => {
    const folder = temporaryFolder(t, { [name]: text });
    return run([...gate('format'), '--config-path', join(root, 'biome.json'), '--vcs-enabled=false', folder]);
  };
  assert.equal(biome('good.ts', 'export const a = 1;\n').status, 0);
  assert.match(biome('format.ts', 'export const a = "1"\n').output, /format/);
  assert.match(biome('any.ts', 'export const a: any = 1;\n').output, /noExplicitAny/);
  assert.match(
    biome('type.ts', "import { Server } from 'node:http';\nexport const a: Server | null = null;\n").output,
    /useImportType/,
  );
  for (const text of ['export const a = "1"\n', 'export const a: any = 1;\n'])
    assert.notEqual(biome('bad.ts', text).status, 0);
});

test('the types gate catches a type error and syntax that Node cannot strip', (t) => {
  const tsc = (text: string) => {
    const config = JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { typeRoots: [join(root, 'node_modules/@types')] },
      include: ['./*.ts'],
    });
    const folder = temporaryFolder(t, { 'tsconfig.json': config, 'package.json': '{"type":"module"}', 'a.ts': text });
    return run([...gate('types'), folder]);
  };
  assert.equal(tsc('export const a: number = 1;\n').status, 0);
  assert.match(tsc("export const a: number = '1';\n").output, /TS2322/);
  assert.match(tsc('export const a: number[] = []; export const b: number = a[0];\n').output, /TS2322/);
  assert.match(tsc('export enum Colour { red }\n').output, /TS1294/);
});

test('the test gate catches a failing test', (t) => {
  const folder = temporaryFolder(t, {
    'fail.test.mjs': "import test from 'node:test';\ntest('fails', () => { throw new Error('no'); });\n",
    'pass.test.mjs': "import test from 'node:test';\ntest('passes', () => {});\n",
  });
  const passed = run([...gate('tests'), join(folder, 'pass.test.mjs')], folder);
  assert.equal(passed.status, 0);
  assert.match(passed.output, /pass 1\n/);
  assert.equal(run([...gate('tests'), join(folder, 'fail.test.mjs')], folder).status, 1);
});
