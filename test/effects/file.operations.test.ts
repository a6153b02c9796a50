import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createFileEffect } from '../../src/effects/file/effect.ts';
import type { ClosableEffect } from '../../src/effects/port.ts';
import { FileRoot } from '../../src/files/file-root.ts';
import { contextOf, failureOf } from './calls.ts';

const mebibyte = 1024 * 1024;

interface Scene extends AsyncDisposable {
  folder: string;
  /** Of the workflow `orders`. */
  own: string;
  effect: ClosableEffect;
  call(given: object): Promise<unknown>;
  reasonOf(given: object): Promise<string>;
}

async function scene(config: Partial<ConstructorParameters<typeof FileRoot>[1]> = {}): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'nflow-files-'));
  const root = new FileRoot(join(folder, 'files'), {
    root: null,
    sharedWorkflows: ['orders'],
    workflowBytesMax: mebibyte,
    workflowFilesMax: 20,
    sharedBytesMax: mebibyte,
    sharedFilesMax: 20,
    ...config,
  });
  const effect = createFileEffect(root);
  const perform = (given: object) =>
    effect.perform({ kind: 'file', argumentsJson: JSON.stringify(given) }, contextOf());
  return {
    folder,
    own: join(folder, 'files', 'workflows', 'orders'),
    effect,
    async call(given) {
      const { ok, json } = await perform(given);
      assert.equal(ok, true, json);
      return JSON.parse(json);
    },
    async reasonOf(given) {
      const failure = failureOf(await perform(given));
      assert.ok(!failure.message.includes(folder), `a path of the host: ${failure.message}`);
      assert.ok(!failure.message.includes('/proc/'), `a path of the host: ${failure.message}`);
      return failure.reason;
    },
    async [Symbol.asyncDispose]() {
      await effect.close();
      await rm(folder, { recursive: true });
    },
  };
}

test('what is written is read again, in every encoding, and in parts', async () => {
  await using files = await scene();
  const written = await files.call({ operation: 'write', path: 'a/b/c.txt', data: 'grün' });
  assert.deepEqual(written, {
    path: 'a/b/c.txt',
    size: 5,
    sha256: 'fe263064ba02eaeac482aaf1309553779bdb78e385cb1374654de293e191d785',
  });
  assert.equal(await files.call({ operation: 'read', path: 'a/b/c.txt' }), 'grün');
  assert.equal(await files.call({ operation: 'read', path: 'a/b/c.txt', offset: 1, length: 1 }), 'r');
  assert.equal(await files.call({ operation: 'read', path: 'a/b/c.txt', offset: 99 }), '');
  assert.equal(await files.call({ operation: 'read', path: 'a/b/c.txt', encoding: 'base64' }), 'Z3LDvG4=');
  await files.call({ operation: 'write', path: 'x', data: 'Z3I=', encoding: 'base64' });
  assert.equal(await files.call({ operation: 'read', path: 'x' }), 'gr');
  await files.call({ operation: 'write', path: 'x', data: 'grün', encoding: 'latin1' });
  assert.equal(await files.call({ operation: 'read', path: 'x', encoding: 'latin1' }), 'grün');
  assert.equal(await files.reasonOf({ operation: 'read', path: 'x' }), 'not_text');
  await files.call({ operation: 'write', path: 'x.json', data: { total: 3 } });
  assert.equal(await files.call({ operation: 'read', path: 'x.json' }), '{"total":3}');
  assert.equal(
    await files.reasonOf({ operation: 'write', path: 'x', data: '☃', encoding: 'latin1' }),
    'invalid_request',
  );
  assert.equal(
    await files.reasonOf({ operation: 'write', path: 'x', data: '%', encoding: 'base64' }),
    'invalid_request',
  );
  assert.equal(await files.reasonOf({ operation: 'write', path: 'x' }), 'invalid_request');
});

test('a file is replaced as a whole, or not at all, and appended to', async () => {
  await using files = await scene();
  await files.call({ operation: 'write', path: 'a', data: 'one' });
  assert.equal(await files.reasonOf({ operation: 'write', path: 'a', data: 'two', overwrite: false }), 'exists');
  assert.equal(await files.call({ operation: 'read', path: 'a' }), 'one');
  await files.call({ operation: 'write', path: 'a', data: 'two' });
  assert.deepEqual(await files.call({ operation: 'append', path: 'a', data: '!' }), { path: 'a', size: 4 });
  assert.deepEqual(await files.call({ operation: 'append', path: 'n/b', data: '1\n' }), { path: 'n/b', size: 2 });
  assert.equal(await files.call({ operation: 'read', path: 'a' }), 'two!');
  assert.deepEqual(readdirSync(join(files.folder, 'files', 'temporary')), []);
});

test('folders come with their first file and go with the last; lists are paged by name', async () => {
  await using files = await scene();
  for (const path of ['b', 'a', 'd/e/f', 'c']) await files.call({ operation: 'write', path, data: 'x' });
  const first = (await files.call({ operation: 'list', limit: 2 })) as { entries: { path: string }[]; next: string };
  assert.deepEqual(
    first.entries.map(({ path }) => path),
    ['a', 'b'],
  );
  const second = (await files.call({ operation: 'list', after: first.next })) as typeof first;
  assert.deepEqual(
    second.entries.map((entry) => ({ ...entry, modifiedAt: '' })),
    [
      { path: 'c', name: 'c', type: 'file', size: 1, modifiedAt: '' },
      { path: 'd', name: 'd', type: 'folder', size: 0, modifiedAt: '' },
    ],
  );
  assert.equal(second.next, null);
  const inner = (await files.call({ operation: 'list', path: 'd/e/' })) as typeof first;
  assert.deepEqual(
    inner.entries.map(({ path }) => path),
    ['d/e/f'],
  );
  assert.deepEqual(await files.call({ operation: 'list', path: 'none' }), { entries: [], next: null });
  assert.equal(((await files.call({ operation: 'stat', path: 'd/e/f' })) as { size: number }).size, 1);
  assert.equal(await files.call({ operation: 'stat', path: 'd/e/f/g' }), null);
  assert.equal(await files.reasonOf({ operation: 'delete', path: 'd' }), 'not_a_file');
  assert.equal(await files.call({ operation: 'delete', path: 'd/e/f' }), true);
  assert.equal(await files.call({ operation: 'delete', path: 'd/e/f' }), false);
  assert.equal(existsSync(join(files.own, 'd')), false);
  assert.equal(await files.reasonOf({ operation: 'read', path: 'd/e/f' }), 'not_found');
});

test('no path leads out', async () => {
  await using files = await scene();
  await files.call({ operation: 'write', path: 'in/file', data: 'x' });
  writeFileSync(join(files.folder, 'secret'), 'secret');
  mkdirSync(join(files.folder, 'elsewhere'));
  symlinkSync(join(files.folder, 'secret'), join(files.own, 'link'));
  symlinkSync(join(files.folder, 'elsewhere'), join(files.own, 'way'));
  const paths = [
    '../secret',
    '/etc/passwd',
    'in/../../secret',
    './a',
    'a//b',
    'a\\b',
    'a\0b',
    'a\n',
    '',
    'a/',
    '..',
    'x'.repeat(300),
    `${'a/'.repeat(20)}b`,
    '\ud800',
  ];
  for (const path of paths) {
    for (const operation of ['read', 'stat', 'delete', 'batch']) {
      assert.equal(await files.reasonOf({ operation, path, offset: 0 }), 'invalid_path', `${operation} ${path}`);
    }
    assert.equal(await files.reasonOf({ operation: 'write', path, data: 'x' }), 'invalid_path', path);
    assert.equal(await files.reasonOf({ operation: 'append', path, data: 'x' }), 'invalid_path', path);
  }
  assert.equal(await files.reasonOf({ operation: 'read', path: 'link' }), 'invalid_path');
  assert.equal(await files.reasonOf({ operation: 'append', path: 'link', data: 'x' }), 'invalid_path');
  assert.equal(await files.call({ operation: 'stat', path: 'link' }), null);
  for (const given of [
    { operation: 'read', path: 'way/x' },
    { operation: 'write', path: 'way/x', data: 'x' },
    { operation: 'list', path: 'way' },
  ]) {
    assert.ok(['not_a_folder', 'invalid_path'].includes(await files.reasonOf(given)));
  }
  // A name that was a link becomes a file; what it led to stays.
  await files.call({ operation: 'write', path: 'link', data: 'mine' });
  assert.equal(readFileSync(join(files.folder, 'secret'), 'utf8'), 'secret');
  assert.deepEqual(readdirSync(join(files.folder, 'elsewhere')), []);
  const { entries } = (await files.call({ operation: 'list' })) as { entries: { name: string }[] };
  assert.deepEqual(
    entries.map(({ name }) => name),
    ['in', 'link'],
  );
});

test('devices, pipes and sockets are no files', async () => {
  await using files = await scene();
  await files.call({ operation: 'write', path: 'a', data: 'x' });
  execFileSync('mkfifo', [join(files.own, 'pipe')]);
  const server = createServer().listen(join(files.own, 'socket'));
  await new Promise((resolve) => server.once('listening', resolve));
  const names = ['pipe', 'socket'];
  if (process.getuid?.() === 0) {
    execFileSync('mknod', [join(files.own, 'device'), 'c', '1', '5']);
    names.push('device');
  }
  for (const path of names) {
    assert.equal(await files.reasonOf({ operation: 'read', path }), 'not_a_file', path);
    assert.equal(await files.reasonOf({ operation: 'append', path, data: 'x' }), 'not_a_file', path);
    assert.equal(await files.call({ operation: 'stat', path }), null, path);
  }
  server.close();
});

test('a folder that is swapped for a link all the time never leads out', async () => {
  await using files = await scene();
  mkdirSync(join(files.folder, 'outside'));
  writeFileSync(join(files.folder, 'outside', 'file'), 'outside');
  await files.call({ operation: 'write', path: 'in/file', data: 'inside' });
  const swap = `
    const { renameSync, rmSync, symlinkSync } = require('node:fs');
    const [way, aside, outside] = process.argv.slice(1);
    // A writer makes the folder again when it is away: whatever is there gives way.
    const attempt = (change) => { try { change(); } catch {} };
    process.stdout.write('ready');
    for (;;) {
      attempt(() => renameSync(way, aside));
      attempt(() => symlinkSync(outside, way));
      attempt(() => rmSync(way, { recursive: true, force: true }));
      attempt(() => renameSync(aside, way));
    }`;
  const swapper = spawn(process.execPath, [
    '-e',
    swap,
    join(files.own, 'in'),
    join(files.folder, 'aside'),
    join(files.folder, 'outside'),
  ]);
  try {
    await new Promise((resolve) => swapper.stdout.once('data', resolve));
    const seen = new Set<string>();
    const outcomes: Promise<void>[] = [];
    for (let round = 0; round < 100; round++) {
      for (const given of [
        { operation: 'read', path: 'in/file' },
        { operation: 'write', path: 'in/file', data: 'inside' },
        { operation: 'append', path: 'in/log', data: '.' },
      ]) {
        const argumentsJson = JSON.stringify(given);
        outcomes.push(
          files.effect.perform({ kind: 'file', argumentsJson }, contextOf()).then(({ ok, json }) => {
            if (given.operation === 'read') seen.add(ok ? JSON.parse(json) : JSON.parse(json).reason);
          }),
        );
      }
      await Promise.all(outcomes.splice(0));
    }
    assert.equal(seen.has('outside'), false);
    assert.ok(seen.has('inside'));
  } finally {
    const closed = new Promise((resolve) => swapper.once('close', resolve));
    swapper.kill('SIGKILL');
    await closed;
  }
  assert.deepEqual(readdirSync(join(files.folder, 'outside')), ['file']);
  assert.equal(readFileSync(join(files.folder, 'outside', 'file'), 'utf8'), 'outside');
});

test('the quota counts bytes and files, also those that are being written', async () => {
  await using files = await scene();
  const half = 'x'.repeat(mebibyte / 2);
  await files.call({ operation: 'write', path: 'a', data: half });
  await files.call({ operation: 'write', path: 'b', data: half });
  assert.equal(await files.reasonOf({ operation: 'write', path: 'c', data: 'x' }), 'quota_exceeded');
  assert.equal(await files.reasonOf({ operation: 'append', path: 'a', data: 'x' }), 'quota_exceeded');
  await files.call({ operation: 'delete', path: 'b' });
  for (let index = 0; index < 19; index++) await files.call({ operation: 'write', path: `n${index}`, data: 'x' });
  assert.equal(await files.reasonOf({ operation: 'write', path: 'n19', data: 'x' }), 'quota_exceeded');
  assert.deepEqual(readdirSync(join(files.folder, 'files', 'temporary')), []);
  // What the shared folder holds is counted apart.
  await files.call({ operation: 'write', path: 'a', data: 'x', area: 'shared' });
});

test('a workflow that is not granted the shared folder does not get it', async () => {
  await using files = await scene({ sharedWorkflows: ['billing-*'] });
  assert.equal(await files.reasonOf({ operation: 'read', path: 'a', area: 'shared' }), 'access_denied');
});

test('a folder that is deleted on the host is made again', async () => {
  await using files = await scene();
  await files.call({ operation: 'write', path: 'a', data: 'x' });
  await rm(join(files.folder, 'files'), { recursive: true });
  await files.call({ operation: 'write', path: 'a', data: 'y' });
  assert.equal(await files.call({ operation: 'read', path: 'a' }), 'y');
});

test('a batch ends where a line does, and its record says only how to read it again', async () => {
  await using files = await scene();
  await files.call({ operation: 'write', path: 'a.csv', data: '\ufeffa,b\n1,2\n3,4\n5,6' });
  const argumentsJson = JSON.stringify({ operation: 'batch', path: 'a.csv', offset: 0, size: 12 });
  const call = { kind: 'file', argumentsJson };
  const result = await files.effect.perform(call, contextOf());
  const { version, ...batch } = JSON.parse(result.json);
  assert.deepEqual(batch, { text: 'a,b\n1,2\n', end: 11, isLast: false, size: 18 });
  assert.deepEqual(JSON.parse(result.kept as string), { $kept: { end: 11, isLast: false, size: 18, version } });
  assert.deepEqual(await files.effect.restore?.(call, contextOf()), result);
  const rest = { operation: 'batch', path: 'a.csv', offset: 11, size: 1000, version };
  assert.equal(((await files.call(rest)) as { text: string }).text, '3,4\n5,6');
  await files.call({ operation: 'append', path: 'a.csv', data: '\n7,8' });
  assert.equal(await files.reasonOf(rest), 'changed');
});

function mountSmallDisk(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test('a full disk is told as one, and leaves the old file and nothing else', async (t) => {
  await using files = await scene();
  const root = join(files.folder, 'files');
  if (!mountSmallDisk(root)) {
    t.skip('this machine does not let the test mount a disk');
    return;
  }
  try {
    await files.call({ operation: 'write', path: 'a', data: 'old' });
    const data = 'x'.repeat(400_000);
    assert.equal(await files.reasonOf({ operation: 'write', path: 'a', data }), 'disk_full');
    assert.equal(await files.reasonOf({ operation: 'append', path: 'a', data }), 'disk_full');
    assert.equal(await files.call({ operation: 'read', path: 'a' }), 'old');
    assert.deepEqual(readdirSync(join(root, 'temporary')), []);
    await files.call({ operation: 'append', path: 'a', data: '!' });
    assert.equal(await files.call({ operation: 'read', path: 'a' }), 'old!');
  } finally {
    execFileSync('umount', ['-l', root]);
  }
});
