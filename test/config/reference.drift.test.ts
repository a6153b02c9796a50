import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { placedKeys } from '../../src/config/keys.ts';
import { loadConfig } from '../../src/config/load.ts';
import { configReference } from '../../src/config/reference.ts';

test('the committed reference is what the table of keys makes', () => {
  const committed = readFileSync(new URL('../../docs/reference/config.md', import.meta.url), 'utf8');
  assert.ok(committed === configReference(), 'run `node tools/config-reference.ts`');
});

test('every default passes the check of its own key', () => {
  const { config } = loadConfig({ env: {} });
  for (const { id, section, field, key } of placedKeys) {
    const value = (config[section] as Record<string, unknown>)[field];
    const reading = key.readText(key.write(value).replace(/^"(.*)"$/, '$1'));
    assert.deepEqual(reading, { ok: true, value }, id);
  }
});

test('the configuration of `npm start` loads, and lets workflows reach the examples alone', () => {
  const file = new URL('../../examples/config.toml', import.meta.url).pathname;
  const { config, warnings } = loadConfig({ file, env: {} });
  assert.deepEqual(config.egress.allow, ['127.0.0.1:8080']);
  assert.deepEqual(warnings, []);
});
