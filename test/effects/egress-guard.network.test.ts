/**
 * The egress guard against a real network: addresses that nobody may reach are there, listen, and are reached by whoever asks the
 * system; nothing that a workflow can write reaches them. Two network namespaces, real TCP, the system's own resolver, a DNS server
 * that changes its mind.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { answerOf, failureOf } from './calls.ts';
import { findWayIn, performScenes, type Scene, type SceneReport } from './network-namespace.ts';
import { forbiddenInside, forbiddenOutside, insideAddress, publicAddress, publicAddress6 } from './network-plan.ts';

const urlOf = (address: string): string => `http://${address.includes(':') ? `[${address}]` : address}/`;
const get = (url: string): Record<string, unknown> => ({ url });
const viaRedirect = (url: string): Record<string, unknown> =>
  get(`http://public.test/redirect?to=${encodeURIComponent(url)}`);

const forbidden = [...forbiddenOutside, ...forbiddenInside];
/** Two spellings of addresses that listen, too. */
const mapped = ['::ffff:10.0.0.5', '::ffff:127.0.0.1'];

/** Each of them is 10.0.0.5, 127.0.0.1 or 169.254.169.254 to whoever connects. */
const disguises = [
  'http://2130706433/',
  'http://0x7f000001/',
  'http://0x7f.1/',
  'http://0177.0.0.1/',
  'http://127.1/',
  'http://127.0.1/',
  'http://167772165/',
  'http://0xa.0.0.5/',
  'http://012.0.0.5/',
  'http://10.5/',
  'http://0/',
  'http://0.0.0.0/',
  'http://[::]/',
  'http://[::ffff:a00:5]/',
  'http://[0:0:0:0:0:ffff:10.0.0.5]/',
  'http://2852039166/',
  'http://0xa9fea9fe/',
  'http://0251.0376.0251.0376/',
  'http://10.0.0.5./',
  'http://127.0.0.1./',
  'http://localhost/',
  'http://localhost./',
  'http://LOCALHOST/',
  'http://%31%30.0.0.5/',
  'http://10。0。0。5/',
  'http://１０.０.０.５/',
  'http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/',
];

const forbiddenNames = [
  'private.test',
  'PRIVATE.test',
  'private.test.',
  'metadata.test',
  'loopback.test',
  'unspecified.test',
  'mapped.test',
  'mixed.test',
  'mixed6.test',
  'bücher.test',
];

const scenes = {
  public: { allow: [], calls: ['http://public.test/', urlOf(publicAddress), 'http://public6.test/'].map(get) },
  addresses: { allow: [], calls: [...forbidden, ...mapped].map(urlOf).map(get), reach: [...forbidden, ...mapped] },
  disguises: { allow: [], calls: disguises.map(get) },
  names: { allow: [], calls: forbiddenNames.map((name) => get(`http://${name}/`)) },
  redirects: { allow: [], calls: [...forbidden.map(urlOf), ...disguises, 'http://private.test/'].map(viaRedirect) },
  multicast: { allow: [], calls: ['http://224.0.0.1/', 'http://[ff02::1%25inner]/', 'http://[ff02::1]/'].map(get) },
  rebinding: { allow: [], calls: Array.from({ length: 12 }, () => get('http://rebind.test/')), asksEachTime: true },
  rebindingTogether: { allow: [], calls: [get('http://rebind.test/')], together: 20, asksEachTime: true },
  allowed: {
    allow: ['10.0.0.5:80', '127.0.0.1'],
    calls: ['http://10.0.0.5/', 'http://private.test/', 'http://127.0.0.1/'].map(get),
  },
  allowedName: {
    allow: ['private.test', 'metadata.test'],
    calls: ['http://private.test/', 'http://10.0.0.5/', 'http://metadata.test/'].map(get),
  },
} satisfies Record<string, Scene>;

type SceneName = keyof typeof scenes;

/** Everything that turns other HTTP clients aside, Node's own included. */
const proxyEnvironment = Object.fromEntries([
  ['NODE_USE_ENV_PROXY', '1'],
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].flatMap((name) => [
    [name, 'http://10.0.0.5:80'],
    [name.toLowerCase(), 'http://10.0.0.5:80'],
  ]),
]);

const wayIn = findWayIn();
const skipReason =
  'reason' in wayIn
    ? `NO NETWORK NAMESPACES HERE, the egress guard is not tested against a network: ${wayIn.reason}`
    : false;
const reports = new Map<string, SceneReport>();

before(async () => {
  if ('reason' in wayIn) {
    process.stderr.write(`\n*** ${skipReason} ***\n\n`);
    return;
  }
  const names = Object.keys(scenes) as SceneName[];
  const found = await performScenes(
    wayIn.unshare,
    names.map((name) => scenes[name]),
    proxyEnvironment,
  );
  for (const [index, name] of names.entries()) reports.set(name, found[index] as SceneReport);
});

function reportOf(name: SceneName): SceneReport {
  return reports.get(name) as SceneReport;
}

/**
 * Every call of the scene was refused by the guard, or by the parser of addresses, or for one of `otherReasons`, and nobody was
 * connected to but `reached`.
 */
function assertNothingReached(name: SceneName, reached: string[] = [], otherReasons: string[] = []): void {
  const { results, accepted } = reportOf(name);
  const { calls } = scenes[name];
  assert.equal(results.length, calls.length);
  for (const [index, result] of results.entries()) {
    const { reason, message } = failureOf(result);
    assert.ok(
      ['egress_denied', 'invalid_request', ...otherReasons].includes(reason),
      `${calls[index]?.url}: ${message}`,
    );
  }
  assert.deepEqual(Object.keys(accepted), reached);
}

test('public addresses answer, by name and by address, on IPv4 and IPv6', { skip: skipReason }, () => {
  const bodies = reportOf('public').results.map((result) => answerOf(result).bodyText);
  assert.deepEqual(bodies, [`from ${publicAddress}`, `from ${publicAddress}`, `from ${publicAddress6}`]);
});

test('a proxy that the environment names is not used', { skip: skipReason }, () => {
  const { accepted, requests } = reportOf('public');
  assert.deepEqual(Object.keys(accepted).sort(), [publicAddress6, publicAddress].sort());
  for (const request of requests) assert.match(request, / GET \/$/);
});

test('every forbidden address listens and answers the system, and none is connected to for a workflow', {
  skip: skipReason,
}, () => {
  for (const { host, answer } of reportOf('addresses').reached) {
    assert.equal(answer, `from ${host.replace(/^::ffff:/, '')}`, host);
  }
  assertNothingReached('addresses');
  for (const result of reportOf('addresses').results) assert.equal(failureOf(result).reason, 'egress_denied');
});

test('an address in decimal, octal, hexadecimal, short, mapped, dotted or full-width disguise is the address that it is', {
  skip: skipReason,
}, () => {
  assertNothingReached('disguises');
});

test('a name that leads to a forbidden address is refused, also with a public one beside it, in capitals, with a dot, in Unicode', {
  skip: skipReason,
}, () => {
  assertNothingReached('names');
  for (const result of reportOf('names').results) assert.equal(failureOf(result).reason, 'egress_denied');
  assert.ok(reportOf('names').questions.includes('xn--bcher-kva.test'));
});

test('a redirect of a public server leads to none of them', { skip: skipReason }, () => {
  // The name that the bytes of a Unicode one spell in Latin-1 is nobody's.
  assertNothingReached('redirects', [publicAddress], ['redirect', 'dns']);
});

test('multicast addresses are refused', { skip: skipReason }, () => {
  assertNothingReached('multicast');
});

test('a name that is public when it is checked and private when it is looked up again is connected to at its checked address', {
  skip: skipReason,
}, () => {
  for (const name of ['rebinding', 'rebindingTogether'] as const) {
    const { results, accepted, questions } = reportOf(name);
    const answers = results.filter(({ ok }) => ok).map((result) => answerOf(result).bodyText);
    const refusals = results.filter(({ ok }) => !ok).map((result) => failureOf(result).reason);
    // DNS was really asked, and really told the private address too; it never was connected to.
    assert.ok(questions.includes('rebind.test'));
    assert.deepEqual(new Set(answers), new Set(answers.length === 0 ? [] : [`from ${publicAddress}`]));
    assert.deepEqual(new Set(refusals), new Set(refusals.length === 0 ? [] : ['egress_denied']));
    assert.ok(!Object.hasOwn(accepted, '10.0.0.5'), JSON.stringify(accepted));
  }
  const oneByOne = reportOf('rebinding').results;
  assert.deepEqual(new Set(oneByOne.map(({ ok }) => ok)), new Set([true, false]));
});

test('what [egress] allow names is reached, by address and under every name', { skip: skipReason }, () => {
  const bodies = reportOf('allowed').results.map((result) => answerOf(result).bodyText);
  assert.deepEqual(bodies, ['from 10.0.0.5', 'from 10.0.0.5', 'from 127.0.0.1']);
});

test('an allowed name opens its private address under that name only, and never a metadata service', {
  skip: skipReason,
}, () => {
  const [named, plain, metadata] = reportOf('allowedName').results;
  assert.ok(named !== undefined && plain !== undefined && metadata !== undefined);
  assert.equal(answerOf(named).bodyText, 'from 10.0.0.5');
  assert.equal(failureOf(plain).reason, 'egress_denied');
  assert.equal(failureOf(metadata).reason, 'egress_denied');
  assert.deepEqual(Object.keys(reportOf('allowedName').accepted), ['10.0.0.5']);
});

test("this server's own address on the network is as forbidden as loopback", { skip: skipReason }, () => {
  const { results } = reportOf('addresses');
  const at = scenes.addresses.calls.findIndex(({ url }) => url === urlOf(insideAddress));
  assert.equal(failureOf(results[at] as SceneReport['results'][number]).reason, 'egress_denied');
});
