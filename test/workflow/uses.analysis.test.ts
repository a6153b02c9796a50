import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effectDefinitions } from '../../src/effects/definitions.ts';
import { compileSource } from '../../src/workflow/published-source.ts';
import { usesOf } from '../../src/workflow/uses.ts';

function usesOfNodes(nodes: object) {
  const definitionText = JSON.stringify({ format: 1, name: 'using', nodes });
  const result = compileSource({ definitionText, files: {} }, {});
  assert.ok(result.ok, JSON.stringify(result));
  return usesOf(result.compiled.program);
}

/** What code can come to by a `ctx` that is hidden. */
const everyKind = effectDefinitions
  .filter(({ member }) => member !== null)
  .map(({ traits }) => traits.kind)
  .sort();

const effectsOf: [what: string, code: string, effects: string[]][] = [
  ['that computes', 'return input.body.a + 1;', []],
  ['that only logs', "ctx.log.info('x'); return ctx.uuid();", []],
  ['that sleeps', "await ctx.sleep('1s');", ['sleep']],
  ['that calls', "return (await ctx.http.get('https://example.com')).status;", ['http']],
  ['that fetches', "return (await fetch('https://example.com')).status;", ['http']],
  ['that queries', "return ctx.sql('orders').query('SELECT 1');", ['sql']],
  ['that digests', "return ctx.crypto.hash('x');", ['crypto']],
  ['that hands ctx on', 'const call = (c) => c.log; return call(ctx);', everyKind],
  ['that takes ctx apart', 'const { log } = ctx; log.info(1);', everyKind],
  ['that builds a name', "return ctx['ht' + 'tp'];", everyKind],
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

test('secrets are found in fields of effects and in code', () => {
  const nodes = {
    a: {
      type: 'http',
      method: 'POST',
      url: '{{ secrets.HOOK }}',
      auth: { type: 'bearer', token: '{{ secrets.A }}' },
      headers: { 'x-key': 'key {{ secrets["B"] }}' },
      form: { c: '{{ secrets.C }}' },
      next: 'b',
    },
    b: { type: 'crypto', operation: 'hmac', data: 'x', key: '{{ secrets.D }}', next: 'c' },
    c: { type: 'code', code: "return ctx.secretRef('E') + ctx.secretRef('F');" },
  };
  assert.deepEqual(usesOfNodes(nodes).resources.secrets, ['A', 'B', 'C', 'D', 'E', 'F', 'HOOK']);
});

test('secrets that are named by what comes in, or by code that hides it, are not known', () => {
  const hidden = (nodes: object) => usesOfNodes(nodes).resources.secrets;
  assert.equal(hidden({ a: { type: 'http', url: 'https://x.example/?k={{ secrets[input.name] }}' } }), null);
  assert.equal(hidden({ a: { type: 'code', code: 'return ctx.secretRef(input.name);' } }), null);
  assert.equal(hidden({ a: { type: 'code', code: 'const { secretRef } = ctx; return 1;' } }), null);
  assert.equal(hidden({ a: { type: 'code', code: 'ctx.log.info(1); return 2;' } }), undefined);
});
