import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nflow, temporaryFolder } from './spawned.ts';

test('a server that others can reach does not start before somebody says where administration is', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'config.toml'), '[server]\nhost = "0.0.0.0"\n');
  const { code, stderr } = await nflow(t, ['start', '--port', '0'], { cwd: folder });
  assert.equal(code, 2);
  assert.match(stderr, /config\.toml:2: server\.host: got 0\.0\.0\.0, expected a loopback address/);
  assert.match(stderr, /\[admin\] listen = "127\.0\.0\.1:9090"/);
  assert.match(stderr, /\[admin\] same_port = true/);
});

test('a token that others can read stops the start, and says what to do', async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'data'), { mode: 0o700 });
  writeFileSync(join(folder, 'data', 'admin-token'), `${'x'.repeat(40)}\n`, { mode: 0o644 });
  const { code, stderr } = await nflow(t, ['start', '--port', '0', '--data', 'data'], { cwd: folder });
  assert.equal(code, 2);
  assert.match(stderr, /Other users of this machine can read the admin token/);
  assert.ok(!stderr.includes('xxxx'));
});
