import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adminAccessOf } from '../../src/config/admin-access.ts';
import { checkConfig, loadConfig } from '../../src/config/load.ts';

/** Of a configuration that the environment gives. */
function accessOf(env: Record<string, string>): { listen: object | null; readsAreOpen: boolean } {
  return adminAccessOf(loadConfig({ env, flags: {} }).config);
}

function findingsOf(env: Record<string, string>): { key: string; expected: string }[] {
  return checkConfig({ env, flags: {} }).findings.map(({ key, expected }) => ({ key, expected }));
}

const host = 'NFLOW_SERVER__HOST';
const listen = 'NFLOW_ADMIN__LISTEN';
const samePort = 'NFLOW_ADMIN__SAME_PORT';

test('reading is open only while nobody but this machine can come in', () => {
  const cases: [env: Record<string, string>, readsAreOpen: boolean][] = [
    [{}, true],
    [{ [host]: 'localhost' }, true],
    [{ [host]: '127.8.9.1' }, true],
    [{ [host]: '::1' }, true],
    [{ [listen]: '127.0.0.1:9090' }, true],
    [{ [listen]: '[::1]:9090' }, true],
    [{ [listen]: '0.0.0.0:9090' }, false],
    [{ [samePort]: 'true' }, false],
    [{ NFLOW_SERVER__TRUST_PROXY: '["127.0.0.1"]' }, false],
    [{ [host]: '0.0.0.0', [samePort]: 'true' }, false],
    [{ [host]: '0.0.0.0', [listen]: '127.0.0.1:9090' }, false],
    [{ [host]: '::', [listen]: '127.0.0.1:9090' }, false],
  ];
  for (const [env, readsAreOpen] of cases) assert.equal(accessOf(env).readsAreOpen, readsAreOpen, JSON.stringify(env));
});

test('a port of its own is read from host:port, and is none without the key', () => {
  assert.equal(accessOf({}).listen, null);
  assert.deepEqual(accessOf({ [listen]: '[::1]:0' }).listen, { host: '::1', port: 0 });
  assert.deepEqual(accessOf({ [listen]: 'ops.internal:9090' }).listen, { host: 'ops.internal', port: 9090 });
});

test('a server that others can reach does not start without being told where administration is', () => {
  for (const address of ['0.0.0.0', '::', '192.168.1.5', 'nflow.example', '127.0.0.1.nip.io']) {
    const [finding, ...more] = findingsOf({ [host]: address });
    assert.equal(finding?.key, 'server.host', address);
    assert.match(finding?.expected ?? '', /\[admin\] listen .* or \[admin\] same_port = true/);
    assert.deepEqual(more, []);
  }
  assert.throws(() => loadConfig({ env: { [host]: '0.0.0.0' }, flags: {} }), {
    code: 'invalid_config',
    message: /server\.host: got 0\.0\.0\.0, expected a loopback address/,
  });
});

test('administration is in one place, which is not that of the workflows', () => {
  assert.equal(findingsOf({ [samePort]: 'true', [listen]: '127.0.0.1:9090' })[0]?.key, 'admin.same_port');
  assert.equal(findingsOf({ [listen]: '127.0.0.1:8080' })[0]?.key, 'admin.listen');
  assert.deepEqual(findingsOf({ [listen]: '127.0.0.1:0', NFLOW_SERVER__PORT: '0' }), []);
});

test('what is no address is refused with what is one', () => {
  for (const text of [
    '9090',
    ':9090',
    '127.0.0.1',
    '127.0.0.1:99999',
    '::1:9090',
    '[::1]',
    'http://127.0.0.1:1',
    'a b:1',
  ]) {
    const [finding] = findingsOf({ [listen]: text });
    assert.match(finding?.expected ?? '', /host:port, such as/, text);
  }
});

test('an origin is written as browsers send it', () => {
  const origins = (...items: string[]) => findingsOf({ NFLOW_CORS__ORIGINS: JSON.stringify(items) });
  assert.deepEqual(origins('https://app.example', 'http://localhost:5173', 'capacitor://localhost', '*'), []);
  for (const wrong of [
    'app.example',
    'https://app.example/',
    'HTTPS://app.example',
    'https://app.example:443',
    'null',
    'https://*.example',
  ]) {
    assert.equal(origins(wrong).length, 1, wrong);
  }
  const both = findingsOf({ NFLOW_CORS__ORIGINS: '["*"]', NFLOW_CORS__CREDENTIALS: 'true' });
  assert.equal(both[0]?.key, 'cors.credentials');
});
