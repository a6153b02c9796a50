import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { adminTokenPath, ensureAdminToken, isSameToken, readAdminToken } from '../../src/config/admin-token.ts';

const root = mkdtempSync(join(tmpdir(), 'nflow-token-'));
after(() => rmSync(root, { recursive: true }));

function newFolder(): string {
  return mkdtempSync(join(root, 'data-'));
}

test('a token is made once, for its owner alone, and nothing is left beside it', () => {
  const folder = newFolder();
  const token = ensureAdminToken(folder);
  assert.match(token, /^nflow_admin_[\w-]{43}$/);
  assert.equal(statSync(adminTokenPath(folder)).mode & 0o777, 0o600);
  assert.equal(ensureAdminToken(folder), token, 'the next start keeps it');
  assert.equal(readAdminToken(adminTokenPath(folder)), token);
  assert.deepEqual(readdirSync(folder), ['admin-token']);
  assert.notEqual(ensureAdminToken(newFolder()), token);
});

test('a token that the operator put there is used', () => {
  const folder = newFolder();
  const token = 'Chosen.by_the~operator+0123456789/abcdef=';
  writeFileSync(adminTokenPath(folder), `${token}\n`, { mode: 0o600 });
  assert.equal(ensureAdminToken(folder), token);
});

test('a file that others can read is refused and kept as it is', {
  skip: process.platform === 'win32' ? 'files have no modes there' : false,
}, () => {
  const folder = newFolder();
  const token = ensureAdminToken(folder);
  for (const mode of [0o644, 0o640, 0o604, 0o620]) {
    chmodSync(adminTokenPath(folder), mode);
    assert.throws(() => ensureAdminToken(folder), { code: 'invalid_config', message: /Other users .* admin token/ });
  }
  assert.equal(readFileSync(adminTokenPath(folder), 'utf8').trim(), token);
});

test('a file without a token is refused: an empty token would open the door', () => {
  for (const text of ['', '\n', 'short', `${'x'.repeat(40)}\n${'y'.repeat(40)}`, 'x'.repeat(600)]) {
    const folder = newFolder();
    writeFileSync(adminTokenPath(folder), text, { mode: 0o600 });
    assert.throws(() => ensureAdminToken(folder), { code: 'invalid_config', message: /does not hold one/ });
  }
});

test('a folder that cannot be written is said', () => {
  assert.throws(() => ensureAdminToken(join(root, 'missing')), { code: 'invalid_config', message: /cannot be kept/ });
});

test('tokens are the same only when they are, whatever their length', () => {
  assert.equal(isSameToken('a'.repeat(40), 'a'.repeat(40)), true);
  for (const other of ['', 'a', 'a'.repeat(39), 'a'.repeat(41), `${'a'.repeat(39)}b`]) {
    assert.equal(isSameToken(other, 'a'.repeat(40)), false);
  }
});
