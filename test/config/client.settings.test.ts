import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readClientSettings } from '../../src/config/client.ts';

test('the flag wins over the environment, and that over the default address', () => {
  const env = { NFLOW_SERVER: 'http://env.example/', NFLOW_TOKEN: 't' };
  assert.deepEqual(readClientSettings('http://flag.example//', env), { server: 'http://flag.example', token: 't' });
  assert.deepEqual(readClientSettings(undefined, env), { server: 'http://env.example', token: 't' });
  assert.deepEqual(readClientSettings(undefined, { NFLOW_SERVER: '', NFLOW_TOKEN: '' }), {
    server: 'http://127.0.0.1:8080',
    token: null,
  });
});
