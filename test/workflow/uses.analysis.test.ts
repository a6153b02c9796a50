import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileSource } from '../../src/workflow/published-source.ts';
import { usesOf } from '../../src/workflow/uses.ts';

function usesOfNodes(nodes: object) {
  const definitionText = JSON.stringify({ format: 1, name: 'using', nodes });
  const result = compileSource({ definitionText, files: {} }, {});
  assert.ok(result.ok, JSON.stringify(result));
  return usesOf(result.compiled.program);
}

const effectsOf: [what: string, code: string, effects: string[]][] = [
  ['that computes', 'return input.body.a + 1;', []],
  ['that only logs', "ctx.log.info('x'); return ctx.uuid();", []],
  ['that sleeps', "await ctx.sleep('1s');", ['sleep']],
  ['that calls', "return (await ctx.http.get('https://example.com')).status;", ['http']],
  ['that fetches', "return (await fetch('https://example.com')).status;", ['http']],
  ['that digests', "return ctx.crypto.hash('x');", ['crypto']],
  ['that hands ctx on', 'const call = (c) => c.log; return call(ctx);', ['crypto', 'http', 'sleep']],
  ['that takes ctx apart', 'const { log } = ctx; log.info(1);', ['crypto', 'http', 'sleep']],
  ['that builds a name', "return ctx['ht' + 'tp'];", ['crypto', 'http', 'sleep']],
];
for (const [what, code, effects] of effectsOf) {
  test(`code ${what} uses ${effects.length === 0 ? 'no effect' : effects.join(' and ')}`, () => {
    assert.deepEqual(usesOfNodes({ a: { type: 'code', code } }).effects, effects);
  });
}

test('vars are found in templates, conditions and cases of every node', () => {
  const nodes = {
    a: { type: 'if', condition: 'vars.A > 1', else: 'b' },
    b: { type: 'switch', cases: [{ when: 'vars.B', next: 'c' }, { equals: '{{ vars.C }}' }], value: 'input' },
    c: { type: 'set', values: { deep: [{ text: 'x {{ vars.D }} y {{ vars["E"] }}' }] }, next: 'd' },
    d: { type: 'http', method: 'GET', url: '{{ vars.F }}/x', next: 'e' },
    e: { type: 'respond', headers: { 'x-y': '{{ vars.G }}' } },
  };
  const { vars, nodeTypes } = usesOfNodes(nodes);
  assert.deepEqual(vars, ['A', 'B', 'C', 'D', 'E', 'F', 'G']);
  assert.deepEqual(nodeTypes, ['http', 'if', 'respond', 'set', 'switch']);
});

test('vars that are read by a name that is not written down are not known', () => {
  assert.equal(usesOfNodes({ a: { type: 'end', output: '{{ vars[input.name] }}' } }).vars, null);
  assert.equal(usesOfNodes({ a: { type: 'end', output: '{{ Object.keys(vars) }}' } }).vars, null);
});
