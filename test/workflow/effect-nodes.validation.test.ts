import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceTable } from '../../src/config/grants.ts';
import { effectDefinitions } from '../../src/effects/definitions.ts';
import { effectPartSources } from '../../src/effects/guest-parts.ts';
import { FindingList } from '../../src/workflow/findings.ts';
import { notAvailable } from '../../src/workflow/not-available.ts';
import { parseJsonDocument } from '../../src/workflow/parse-file.ts';
import { compileSource } from '../../src/workflow/published-source.ts';
import { checkResources } from '../../src/workflow/resource-grants.ts';

function compile(node: object) {
  const definitionText = JSON.stringify({ format: 1, name: 'orders', nodes: { only: node } });
  return compileSource({ definitionText, files: {} }, {});
}

const http = { type: 'http', url: 'http://a/' };
const hash = { type: 'crypto', operation: 'hash', data: '{{ input.body }}' };
const findings: [what: string, node: object, pointer: string, code: string][] = [
  ['too many attempts', { ...http, retry: { attempts: 101 } }, '/retry/attempts', 'bad-value'],
  ['an unknown key of retry', { ...http, retry: { tries: 3 } }, '/retry/tries', 'unknown-key'],
  ['a wait that is no duration', { ...http, retry: { initial: 'soon' } }, '/retry/initial', 'bad-value'],
  ['retry beside atMostOnce', { ...http, retry: {}, atMostOnce: true }, '/retry', 'bad-value'],
  ['a key of the cache that is no expression', { ...http, cache: { key: 'a +' } }, '/cache/key', 'syntax-error'],
  ['a fixed field that is computed', { ...hash, algorithm: '{{ input.body }}' }, '/algorithm', 'bad-value'],
  [
    'a fixed text that is computed',
    {
      type: 'crypto',
      operation: 'verifyWebhook',
      scheme: 'plain',
      payload: 'a',
      headers: {},
      key: 'k',
      signatureHeader: '{{ vars.H }}',
    },
    '/signatureHeader',
    'fixed-value',
  ],
  ['a statement that is computed', { type: 'sql', sql: 'SELECT {{ input.body.id }}' }, '/sql', 'fixed-value'],
  [
    'a statement of several that is computed',
    { type: 'sql', statements: [{ sql: 'DELETE FROM a' }, { sql: "SELECT '{{ 1 }}'" }] },
    '/statements/1/sql',
    'fixed-value',
  ],
  ['a query without a statement', { type: 'sql', datasource: 'main' }, '/sql', 'missing-key'],
  ['one statement beside several', { type: 'sql', sql: 'SELECT 1', statements: [{ sql: 'A' }] }, '/sql', 'bad-value'],
  ['values that are no array', { type: 'sql', sql: 'SELECT $1', params: { id: 1 } }, '/params', 'bad-value'],
  [
    'a page that writes',
    { type: 'sql', sql: 'A', readOnly: false, page: { by: ['a'], size: 1 } },
    '/readOnly',
    'bad-value',
  ],
  ['an operation without what it needs', { type: 'crypto', operation: 'hmac', data: 'a' }, '/key', 'missing-key'],
  ['a field of another operation', { ...hash, token: 'a' }, '/token', 'unknown-key'],
  ['an algorithm of another operation', { ...hash, algorithm: 'RS256' }, '/algorithm', 'bad-value'],
];
for (const [what, node, pointer, code] of findings) {
  test(`${what} is found at ${pointer}`, () => {
    const result = compile(node);
    assert.ok(!result.ok);
    assert.deepEqual(
      result.findings.map((finding) => [finding.pointer, finding.code]),
      [[`/nodes/only${pointer}`, code]],
    );
  });
}

test('fields become arguments in the order of the table, and durations milliseconds', () => {
  const result = compile({ key: 'k', type: 'crypto', expiresIn: '1h', claims: { a: 1 }, operation: 'signJwt' });
  assert.ok(result.ok, JSON.stringify(result));
  const [node] = result.compiled.program.nodes;
  assert.ok(node?.type === 'effect');
  const json = '{"operation":"signJwt","claims":{"a":1},"key":"k","expiresInMs":3600000}';
  assert.deepEqual(node.arguments, { kind: 'literal', json });
  assert.deepEqual(result.compiled.uses.effects, ['crypto']);
});

test('what is said of how a call is made is completed with its defaults', () => {
  const result = compile({ ...http, timeout: '2s', retry: { initial: '1m' }, cache: { ttl: '5m', key: 'input.body' } });
  assert.ok(result.ok, JSON.stringify(result));
  const [node] = result.compiled.program.nodes;
  assert.ok(node?.type === 'effect');
  assert.deepEqual(node.policy, {
    timeoutMs: 2000,
    retry: { attempts: 3, backoff: 'exponential', initialMs: 60_000, maxMs: 60_000, jitter: 0.2 },
    cache: {
      ttlMs: 300_000,
      key: { source: 'input.body', pointer: '/nodes/only/cache/key', uses: ['input'] },
    },
    idempotencyKey: null,
    atMostOnce: false,
  });
});

test('resources that the server has not, or does not grant, are found before a version is published', () => {
  const result = compile(http);
  assert.ok(result.ok);
  const uses = { ...result.compiled.uses, resources: { datasources: ['main', 'other', 'third'], redis: null } };
  const table: ResourceTable = { datasources: { main: ['orders'], other: ['prices-*'], spare: ['*'] } };
  const { document } = parseJsonDocument(result.compiled.definitionText);
  assert.ok(document !== null);
  const list = new FindingList('definition', document);
  checkResources({ ...result.compiled, uses }, table, list);
  assert.deepEqual(
    list.sorted.map(({ code, got, expected }) => [code, got, expected]),
    [
      ['not-granted', '"other"', 'one of [datasources] that is granted to orders: main, spare'],
      ['unknown-resource', '"third"', 'one of [datasources] that is granted to orders: main, spare'],
    ],
  );
});

test('the tables of effects agree: parts, members, and what is said to be not available', () => {
  for (const { traits, node, member } of effectDefinitions) {
    const [part] = effectPartSources([traits.kind]);
    assert.equal(part !== undefined, member?.isPart === true, `the guest part of ${traits.kind}`);
    if (member?.isPart === true) assert.equal(part?.member, member.name);
    if (member !== null) assert.ok(!(notAvailable.ctx as readonly string[]).includes(member.name), member.name);
    if (node !== null) assert.ok(!(notAvailable.nodeTypes as readonly string[]).includes(node.type), node.type);
  }
});
