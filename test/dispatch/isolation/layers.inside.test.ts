/** Each layer of isolation, tried from inside by what could be a runner that was taken over. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { IsolationLayer } from '../../../src/config/isolation-layers.ts';
import type { Report } from './gateway.ts';

const gateway = fileURLToPath(new URL('gateway.ts', import.meta.url));
const isRoot = process.getuid?.() === 0;
/** Makes a plain user of root, who may still enter the folder of this checkout. */
const asPlainUser = ['unshare', '--user', '--map-user=1000', '--map-group=1000', '--'];

const linuxIsMissing = process.platform === 'linux' ? false : 'the layers are made by Linux';
const rootIsMissing =
  process.platform === 'linux' && isRoot
    ? false
    : 'a user of its own needs root on Linux: runs where the tests run as root';
const userNamespacesAreMissing =
  process.platform === 'linux' && spawnSync('unshare', ['--user', '--map-root-user', '--net', 'true']).status === 0
    ? false
    : 'user namespaces are not allowed on this machine';

/** Runs `gateway.ts` to its end, with a secret file of its own, which it also leaves open for its children. */
async function tryLayers(t: TestContext, as: readonly string[], omit: readonly IsolationLayer[] = []): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'nflow-isolation-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const secretFile = join(folder, 'admin-token');
  writeFileSync(secretFile, 'secret', { mode: 0o600 });
  const secret = openSync(secretFile, 'r');
  const [file, ...args] = [...as, process.execPath, '--no-node-snapshot', gateway, secretFile, ...omit];
  const stdio = ['ignore', 'pipe', 'pipe', 'ignore', 'ignore', 'ignore', 'ignore', 'ignore', 'ignore', secret] as const;
  const child = spawn(file as string, args, { stdio: [...stdio] });
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (text) => {
    output.stdout += text;
  });
  child.stderr?.on('data', (text) => {
    output.stderr += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, output.stderr);
  return JSON.parse(output.stdout) as Report;
}

function layersOn({ layers }: Report): string[] {
  return layers.filter(({ on }) => on).map(({ layer }) => layer);
}

/** Nothing but what Node opens for itself, the socket and the announcement file. */
function assertOnlyOwnDescriptors({ descriptors }: Report): void {
  const own = /^(\/dev\/null|\/sys|\/|pipe:\[\d+\]|anon_inode:.*)$/;
  const others = Object.entries(descriptors).filter(([, target]) => !own.test(target));
  assert.deepEqual(
    others.map(([fd, target]) => [fd, target.replace(/\[\d+\]|-\d+-[0-9a-f]+/g, '')]),
    [
      ['2', 'socket:'],
      ['3', 'socket:'],
      ['4', descriptors['4']?.replace(/-\d+-[0-9a-f]+/, '')],
    ],
  );
  assert.match(descriptors['4'] ?? '', /nflow-announcement-.* \(deleted\)$/);
}

test('as root all layers are on, and the kernel says so', { skip: rootIsMissing }, async (t) => {
  const report = await tryLayers(t, []);
  assert.deepEqual(
    report.layers.filter(({ on }) => !on),
    [],
  );
  assert.deepEqual(report.seen, layersOn(report));
  const { outcomes } = report;
  assert.ok(outcomes.uid > 1000 && outcomes.uid === outcomes.gid, `user ${outcomes.uid}, group ${outcomes.gid}`);
  assert.deepEqual(outcomes.groups, [outcomes.gid]);
  assert.equal(outcomes.pid, 1);
  for (const name of outcomes.environment) assert.match(name, /^(TZ|LIBC|PWD|OLDPWD|SHLVL|_)$/);
  assertOnlyOwnDescriptors(report);
});

test("Node's permission model alone refuses files and processes", { skip: linuxIsMissing }, async (t) => {
  const others: IsolationLayer[] = ['user', 'privileges', 'pid', 'net', 'ipc', 'mount', 'limits'];
  const { outcomes } = await tryLayers(t, [], others);
  for (const name of ['readShadow', 'readSecret', 'writeOwnCode', 'writeTemporary', 'startShell'] as const)
    assert.equal(outcomes[name], 'ERR_ACCESS_DENIED', name);
});

test('without the permission model the kernel refuses all the same, as root', {
  skip: rootIsMissing,
}, async (t) => {
  const { outcomes } = await tryLayers(t, [], ['permissions']);
  assert.equal(outcomes.readShadow, 'ENOENT');
  assert.equal(outcomes.readSecret, 'ENOENT');
  assert.equal(outcomes.startShell, 'ENOENT');
  assert.equal(outcomes.signalGateway, 'ESRCH');
  assert.equal(outcomes.becomeRoot, 'EPERM');
  assert.equal(outcomes.connect, 'ENETUNREACH');
  assert.notEqual(outcomes.writeOwnCode, 'done');
  assert.notEqual(outcomes.writeTemporary, 'done');
  // The folder of the code is there, where the code lies, with nothing else on the way to it.
  const [, own = ''] = fileURLToPath(import.meta.url).split('/');
  for (const entry of outcomes.rootEntries) {
    if (entry !== own) assert.doesNotMatch(entry, /^(etc|home|root|proc|dev|sys|tmp|var)$/);
  }
});

test('a user of its own suffices against files and signals', { skip: rootIsMissing }, async (t) => {
  const { outcomes } = await tryLayers(t, [], ['permissions', 'privileges', 'pid', 'net', 'ipc', 'mount', 'limits']);
  assert.equal(outcomes.readShadow, 'EACCES');
  assert.equal(outcomes.readSecret, 'EACCES');
  assert.equal(outcomes.writeOwnCode, 'EACCES');
  assert.equal(outcomes.signalGateway, 'EPERM');
  assert.equal(outcomes.becomeRoot, 'EPERM');
});

test('two runners have two users', { skip: rootIsMissing }, async (t) => {
  const [first, second] = await Promise.all([tryLayers(t, []), tryLayers(t, [])]);
  assert.notEqual(first.outcomes.uid, second.outcomes.uid);
});

const plain = isRoot ? asPlainUser : [];

test('as a plain user all layers but the user are on, and it is said why that is not', {
  skip: userNamespacesAreMissing,
}, async (t) => {
  const report = await tryLayers(t, plain);
  const off = report.layers.filter(({ on }) => !on);
  assert.deepEqual(
    off.map(({ layer }) => layer),
    ['user'],
  );
  assert.match(off[0]?.why ?? '', /share your account.*started by root/);
  assert.deepEqual(report.seen, layersOn(report));
  assert.equal(report.outcomes.pid, 1);
  assertOnlyOwnDescriptors(report);
});

test('without the permission model the kernel refuses all the same, as a plain user', {
  skip: userNamespacesAreMissing,
}, async (t) => {
  const { outcomes } = await tryLayers(t, plain, ['permissions']);
  assert.equal(outcomes.readShadow, 'ENOENT');
  assert.equal(outcomes.readSecret, 'ENOENT');
  assert.equal(outcomes.startShell, 'ENOENT');
  assert.equal(outcomes.signalGateway, 'ESRCH');
  assert.equal(outcomes.connect, 'ENETUNREACH');
  assert.equal(outcomes.writeOwnCode, 'EROFS');
});

test('a layer that is left out is off, with the reason, and the others stay on', {
  skip: linuxIsMissing,
}, async (t) => {
  const report = await tryLayers(t, [], ['net']);
  const net = report.layers.find(({ layer }) => layer === 'net');
  assert.deepEqual([net?.on, net?.why], [false, 'left out by [runners] omit']);
  assert.deepEqual(report.seen, layersOn(report));
});

test('a layer that the kernel refuses is off, with the words of the refusal, and the others stay on', {
  skip: userNamespacesAreMissing,
}, async (t) => {
  // Root of a user namespace that may have no network namespaces, and has no users but itself.
  const refusing = 'echo 0 > /proc/sys/user/max_net_namespaces && exec "$@"';
  const report = await tryLayers(t, ['unshare', '--user', '--map-root-user', 'sh', '-c', refusing, 'sh']);
  const off = new Map(report.layers.filter(({ on }) => !on).map(({ layer, why }) => [layer, why]));
  assert.deepEqual([...off.keys()], ['user', 'net']);
  assert.match(off.get('user') ?? '', /no range of unused users/);
  assert.match(off.get('net') ?? '', /^unshare: .*[Nn]o space left/);
  assert.deepEqual(report.seen, layersOn(report));
});
