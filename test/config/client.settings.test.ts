import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ensureAdminToken } from '../../src/config/admin-token.ts';
import { readClientSettings } from '../../src/config/client.ts';

const folder = mkdtempSync(join(tmpdir(), 'nflow-client-'));
after(() => rmSync(folder, { recursive: true }));
const emptyFolder = join(folder, 'none');

test('the flag wins over the environment, and that over the default address', () => {
  const env = { NFLOW_SERVER: 'http://env.example/', NFLOW_TOKEN: 't' };
  assert.deepEqual(readClientSettings('http://flag.example//', env), { server: 'http://flag.example', token: 't' });
  assert.deepEqual(readClientSettings(undefined, env), { server: 'http://env.example', token: 't' });
  assert.deepEqual(readClientSettings(undefined, { NFLOW_SERVER: '', NFLOW_TOKEN: '' }, emptyFolder), {
    server: 'http://127.0.0.1:8080',
    token: null,
  });
});

test('without NFLOW_TOKEN a server on this machine gets the token of the data folder, and no other server does', () => {
  const token = ensureAdminToken(folder);
  for (const here of ['http://127.0.0.1:9000', 'http://localhost:8080', 'http://[::1]:1']) {
    assert.equal(readClientSettings(here, {}, folder).token, token, here);
  }
  assert.equal(readClientSettings(undefined, {}, folder).token, token);
  for (const elsewhere of [
    'https://nflow.example',
    'http://127.0.0.1.evil.example',
    'http://localhost@evil.example',
    'not an address',
  ]) {
    assert.equal(readClientSettings(elsewhere, {}, folder).token, null, elsewhere);
  }
  assert.equal(readClientSettings(undefined, { NFLOW_TOKEN: 'mine' }, folder).token, 'mine');
});
