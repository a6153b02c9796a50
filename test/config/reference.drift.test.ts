import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { placedKeys } from '../../src/config/keys.ts';
import { loadConfig } from '../../src/config/load.ts';
import { configReference } from '../../src/config/reference.ts';
import { createMetrics } from '../../src/observe/metrics.ts';

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

test('each key is described in sentences, and whatever counts something says what to weigh', () => {
  for (const { id, key } of placedKeys) {
    for (const text of [key.doc, key.tuning]) {
      assert.match(text, text === key.tuning ? /^$|^["`A-Z].*[.]$/s : /^["`A-Z].*[.]$/s, `${id}: ${text}`);
    }
    if (/integer|duration|number/.test(key.typeText)) assert.notEqual(key.tuning, '', id);
    if (key.typeText !== 'boolean') assert.notEqual(key.limitsText, '', id);
  }
});

test('keys and metrics that the descriptions name exist', async () => {
  const ids = new Set(placedKeys.map(({ id }) => id));
  const sections = new Set(placedKeys.map(({ id }) => id.slice(0, id.indexOf('.'))));
  const { text: exposed } = await createMetrics().expose();
  let metricsNamed = 0;
  for (const { id, key } of placedKeys) {
    for (const [, name = ''] of `${key.doc} ${key.tuning}`.matchAll(/`([^`]+)`/g)) {
      const section = /^([a-z_]+)\.[a-z_]+$/.exec(name)?.[1];
      if (section !== undefined && sections.has(section)) assert.ok(ids.has(name), `${id} names ${name}`);
      const metric = /^nflow_[a-z_]+/.exec(name)?.[0];
      if (metric === undefined || name.includes('*')) continue;
      metricsNamed++;
      assert.ok(exposed.includes(`# TYPE ${metric} `), `${id} names ${metric}`);
    }
  }
  assert.ok(metricsNamed > 3);
});
