import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { createCryptoEffect } from '../../src/effects/crypto/effect.ts';
import { contextOf } from './calls.ts';

const nowMs = 1_800_000_000_000;

async function callAt(atMs: number, given: object): Promise<unknown> {
  const effect = createCryptoEffect(() => atMs);
  const { ok, json } = await effect.perform({ kind: 'crypto', argumentsJson: JSON.stringify(given) }, contextOf());
  if (!ok) throw Object.assign(new Error(json), JSON.parse(json));
  return JSON.parse(json);
}
const call = (given: object): Promise<unknown> => callAt(nowMs, given);

test('digests are those of the standards', async () => {
  // FIPS 180-4 for "abc"; RFC 4231, test case 2.
  const hash = { operation: 'hash', data: 'abc' };
  assert.equal(await call(hash), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  assert.equal(await call({ ...hash, algorithm: 'sha1', encoding: 'base64' }), 'qZk+NkcGgWq6PiVxeFDCbJzQ2J0=');
  const hmac = { operation: 'hmac', key: 'Jefe', data: 'what do ya want for nothing?' };
  assert.equal(await call(hmac), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
  assert.equal(await call({ ...hash, data: '616263', dataEncoding: 'hex' }), await call(hash));
  assert.equal(await call({ ...hash, data: 'YWJj', dataEncoding: 'base64' }), await call(hash));
});

test('a token is valid for who has the key, until it expires', async () => {
  const signing = { operation: 'signJwt', claims: { sub: 'ana' }, key: 'k', expiresInMs: 60_000, keyId: '1' };
  const token = await call(signing);
  const checking = { operation: 'verifyJwt', token, key: 'k', algorithms: ['HS256'] };
  assert.deepEqual(await call(checking), {
    valid: true,
    reason: null,
    header: { alg: 'HS256', typ: 'JWT', kid: '1' },
    claims: { iat: nowMs / 1000, exp: nowMs / 1000 + 60, sub: 'ana' },
  });
  const reasonOf = async (change: object, atMs = nowMs): Promise<unknown> =>
    ((await callAt(atMs, { ...checking, ...change })) as { reason: unknown }).reason;
  assert.equal(await reasonOf({ key: 'other' }), 'signature');
  assert.equal(await reasonOf({ algorithms: ['HS512'] }), 'algorithm');
  assert.equal(await reasonOf({}, nowMs + 60_000), 'expired');
  assert.equal(await reasonOf({ toleranceMs: 1000 }, nowMs + 60_000), null);
  assert.equal(await reasonOf({ issuer: 'nflow' }), 'issuer');
  assert.equal(await reasonOf({ audience: 'nflow' }), 'audience');
  assert.equal(await reasonOf({ token: 'a.b' }), 'malformed');
  const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`;
  assert.equal(await reasonOf({ token: unsigned }), 'algorithm');
});

test('tokens are signed with RSA and elliptic keys, and a public key is no shared one', async () => {
  const pem = {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  } as const;
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048, ...pem });
  const curve = generateKeyPairSync('ec', { namedCurve: 'P-256', ...pem });
  for (const [algorithm, { publicKey, privateKey }] of [
    ['RS256', rsa],
    ['ES256', curve],
  ] as const) {
    const token = await call({ operation: 'signJwt', claims: { a: 1 }, key: privateKey, algorithm });
    const check = await call({ operation: 'verifyJwt', token, key: publicKey, algorithms: [algorithm] });
    assert.equal((check as { valid: boolean }).valid, true, algorithm);
  }
  const wrongKeys: [string, string][] = [
    ['HS256', rsa.publicKey],
    ['RS256', curve.privateKey],
    ['ES256', rsa.privateKey],
    ['RS256', 'not a key'],
  ];
  for (const [algorithm, key] of wrongKeys) {
    const refused = call({ operation: 'signJwt', claims: {}, key, algorithm });
    await assert.rejects(refused, { code: 'effect_failed', reason: 'invalid_request', retryable: false });
  }
});

const seconds = String(nowMs / 1000);
const digest = (key: string | Buffer, text: string, encoding: 'hex' | 'base64' = 'hex'): string =>
  createHmac('sha256', key).update(text).digest(encoding);
const standardKey = Buffer.from('a secret of its own').toString('base64');
const webhooks: [scheme: string, key: string, headers: Record<string, string>, extra?: object][] = [
  ['plain', 'k', { 'x-sign': digest('k', '{"a":1}') }, { signatureHeader: 'X-Sign' }],
  ['github', 'k', { 'x-hub-signature-256': `sha256=${digest('k', '{"a":1}')}` }],
  ['stripe', 'k', { 'stripe-signature': `t=${seconds},v1=00,v1=${digest('k', `${seconds}.{"a":1}`)}` }],
  [
    'slack',
    'k',
    { 'x-slack-request-timestamp': seconds, 'x-slack-signature': `v0=${digest('k', `v0:${seconds}:{"a":1}`)}` },
  ],
  [
    'standard',
    `whsec_${standardKey}`,
    {
      'webhook-id': 'm1',
      'webhook-timestamp': seconds,
      'webhook-signature': `v1,${digest(Buffer.from(standardKey, 'base64'), `m1.${seconds}.{"a":1}`, 'base64')}`,
    },
  ],
];
for (const [scheme, key, headers, extra = {}] of webhooks) {
  test(`a webhook signed as ${scheme} does it is recognised, and another body is not`, async () => {
    const check = { operation: 'verifyWebhook', scheme, payload: '{"a":1}', headers, key, ...extra };
    assert.deepEqual(await call(check), { valid: true, reason: null });
    assert.deepEqual(await call({ ...check, payload: '{"a":2}' }), { valid: false, reason: 'signature' });
    assert.deepEqual(await call({ ...check, headers: {} }), { valid: false, reason: 'missing' });
    if (scheme === 'plain' || scheme === 'github') return;
    assert.deepEqual(await callAt(nowMs + 300_001, check), { valid: false, reason: 'too_old' });
    assert.deepEqual(await callAt(nowMs - 300_001, check), { valid: false, reason: 'too_old' });
    assert.deepEqual(await callAt(nowMs + 60_000, { ...check, toleranceMs: 30_000 }), {
      valid: false,
      reason: 'too_old',
    });
  });
}

test('a call that is wrong says which argument, what was got and what is allowed; and no key is told', async () => {
  const wrong: [given: object, message: RegExp][] = [
    [{ operation: 'melt' }, /operation: got "melt", allowed is one of hash, hmac/],
    [{ operation: 'hash' }, /crypto hash: data: got nothing, allowed is a text/],
    [{ operation: 'hash', data: 'zz', dataEncoding: 'hex' }, /data: got text that is not hex/],
    [{ operation: 'hmac', data: 'a', key: 7 }, /key: got a number/],
    [{ operation: 'verifyJwt', token: 'a', key: 'k', algorithms: [] }, /algorithms: got an array/],
  ];
  for (const [given, message] of wrong) await assert.rejects(call(given), { message, reason: 'invalid_request' });
  const { describe } = createCryptoEffect();
  assert.equal(describe('{"operation":"hmac","data":"private","key":"private"}'), 'crypto hmac');
  assert.equal(describe('nonsense'), 'crypto (invalid)');
});
