import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { type ConfigFinding, checkConfig } from '../../src/config/load.ts';
import { showConfig } from '../../src/config/show.ts';

const dayMs = 86_400_000;
const folder = mkdtempSync(path.join(os.tmpdir(), 'nflow-classes-'));
after(() => rmSync(folder, { recursive: true }));

function read(toml: string, env: Record<string, string> = {}) {
  const file = path.join(folder, 'config.toml');
  writeFileSync(file, toml);
  return checkConfig({ file, env });
}

function classFinding(findings: ConfigFinding[]): ConfigFinding | undefined {
  return findings.find(({ key }) => /classes/i.test(key));
}

test('classes are read from a section of their own, from one line, and from the environment', () => {
  const expected = { audit: 365 * dayMs, brief: dayMs / 2 };
  for (const [toml, env] of [
    ['[history]\nretention = "3d"\n[history.classes]\naudit = "365d"\nbrief = "12h"', {}],
    ['[history]\nretention = "3d"\nclasses = { audit = "365d", brief = "12h" }', {}],
    ['[history]\nretention = "3d"', { NFLOW_HISTORY__CLASSES: '{"audit":"365d","brief":"12h"}' }],
  ] as const) {
    const { loaded, findings } = read(toml, env);
    assert.deepEqual(findings, []);
    assert.deepEqual(loaded.config.history.classes, expected);
    assert.equal(loaded.config.history.retentionMs, 3 * dayMs);
    const shown = showConfig(loaded).find(({ key }) => key === 'history.classes');
    assert.equal(shown?.value, '{ audit = "365d", brief = "12h" }');
  }
});

test('without classes there is the default one, of 14 days, and no limit of bytes', () => {
  const { loaded } = read('');
  assert.deepEqual(loaded.config.history.classes, {});
  assert.equal(loaded.config.history.retentionMs, 14 * dayMs);
  assert.equal(loaded.config.history.bytesMax, 0);
});

for (const [what, line] of [
  ['three classes', 'classes = { a = "1d", b = "2d", c = "3d" }'],
  ['a class called default', 'classes = { default = "1d" }'],
  ['a name with an underscore', 'classes = { long_one = "1d" }'],
  ['a retention that is no duration', 'classes = { a = 5 }'],
  ['a retention of minutes', 'classes = { a = "30m" }'],
  ['a list', 'classes = ["a"]'],
] as const) {
  test(`${what} is refused with its line and what is allowed`, () => {
    const finding = classFinding(read(`[history]\n${line}`).findings);
    assert.equal(finding?.line, 2);
    assert.match(finding?.expected ?? '', /up to 2 entries, each a name .* from 1h to 3650d/);
  });
}

test('classes in the environment that are no JSON are refused', () => {
  const { findings } = read('', { NFLOW_HISTORY__CLASSES: 'audit=365d' });
  assert.match(classFinding(findings)?.expected ?? '', /as a JSON object/);
});
