import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEgressAllow } from '../../src/config/egress-allow.ts';
import { type CheckedTarget, createEgressGuard } from '../../src/effects/http/egress-guard.ts';
import { HttpFailure } from '../../src/effects/http/failure.ts';

function check(
  url: string,
  addresses: string[] | Error,
  allow: string[] = [],
  signal: AbortSignal = new AbortController().signal,
): Promise<CheckedTarget> {
  const resolve = async () => {
    if (addresses instanceof Error) throw addresses;
    return addresses;
  };
  return createEgressGuard(parseEgressAllow(allow), resolve).check(new URL(url), signal);
}

async function refusalOf(checked: Promise<CheckedTarget>): Promise<HttpFailure> {
  const error = await checked.then(
    (target) => assert.fail(`was let through to ${target.addresses.join()}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof HttpFailure, String(error));
  return error;
}

test('a public name is let through with all its addresses, and the name stays for Host and certificate', async () => {
  const target = await check('https://stock.example/a?b', ['93.184.216.34', '2606:2800:220:1::1']);
  assert.deepEqual(target.addresses, ['93.184.216.34', '2606:2800:220:1::1']);
  assert.equal(target.origin, 'https://stock.example');
  assert.equal(target.hostname, 'stock.example');
  assert.equal(target.port, 443);
  assert.equal(target.secure, true);
});

test('one refused address among public ones refuses the name', async () => {
  const failure = await refusalOf(check('http://stock.example/', ['93.184.216.34', '10.0.0.5']));
  assert.equal(failure.reason, 'egress_denied');
  assert.match(failure.message, /stock\.example resolves to 93\.184\.216\.34, 10\.0\.0\.5/);
  assert.match(failure.message, /10\.0\.0\.5 is a private address \(RFC 1918\)/);
  assert.match(failure.message, /add "stock\.example:80" to allow under \[egress\]/);
});

test('the entry that a refusal proposes is the one that lifts it', async () => {
  const cases: [url: string, addresses: string[]][] = [
    ['http://stock.example:8081/', ['10.0.0.5']],
    ['http://stock.example./', ['127.0.0.1']],
    ['http://meta.example/', ['169.254.169.254']],
    ['http://[::1]:9000/', []],
    ['https://192.168.1.1/', []],
    ['http://local.example/', ['fe80::1']],
  ];
  for (const [url, addresses] of cases) {
    const failure = await refusalOf(check(url, addresses));
    const entry = /add "([^"]+)" to allow/.exec(failure.message)?.[1] ?? '';
    const target = await check(url, addresses, [entry]);
    assert.equal(target.addresses.length, 1, `${url} with ${entry}`);
  }
});

test('an allowed name may be private or loopback, and never metadata, link-local or multicast', async () => {
  for (const address of ['127.0.0.1', '10.0.0.1', '172.16.0.1', '192.168.0.1', '100.64.0.1', '::1', 'fd00::1']) {
    assert.deepEqual((await check('http://stock/', [address], ['stock'])).addresses, [address]);
  }
  for (const address of [
    '169.254.169.254',
    '169.254.1.1',
    'fe80::1',
    'fd00:ec2::254',
    '224.0.0.1',
    '0.0.0.0',
    '::',
    '255.255.255.255',
  ]) {
    const failure = await refusalOf(check('http://stock/', [address], ['stock']));
    assert.equal(failure.reason, 'egress_denied', address);
  }
});

test('an allowed name does not open the same address under another name', async () => {
  const failure = await refusalOf(check('http://other/', ['10.0.0.1'], ['stock']));
  assert.equal(failure.reason, 'egress_denied');
});

test('an allowed address is open under every name, at its port only', async () => {
  assert.equal((await check('http://any.example:8080/', ['127.0.0.1'], ['127.0.0.1:8080'])).port, 8080);
  const failure = await refusalOf(check('http://any.example:8081/', ['127.0.0.1'], ['127.0.0.1:8080']));
  assert.match(failure.message, /add "any\.example:8081"/);
});

test('an allowed translator prefix does not open the private addresses that it translates to', async () => {
  const allow = ['64:ff9b::/96', '::ffff:0:0/96', '2002::/16'];
  assert.equal((await check('http://[64:ff9b::8.8.8.8]/', [], allow)).addresses.length, 1);
  for (const host of ['[64:ff9b::127.0.0.1]', '[::ffff:169.254.169.254]', '[2002:7f00:1::]', '[64:ff9b::a00:1]']) {
    const failure = await refusalOf(check(`http://${host}/`, [], allow));
    assert.equal(failure.reason, 'egress_denied', host);
  }
  assert.equal((await check('http://[64:ff9b::10.0.0.1]/', [], [...allow, '10.0.0.0/8'])).addresses.length, 1);
});

test('an address with a zone in an answer of DNS refuses the name', async () => {
  const failure = await refusalOf(check('http://stock/', ['fe80::1%eth0'], ['stock']));
  assert.equal(failure.reason, 'egress_denied');
});

test('schemes other than http and https are refused', async () => {
  for (const url of [
    'ftp://example.com/',
    'file:///etc/passwd',
    'data:,x',
    'ws://example.com/',
    'unix:/run/docker.sock',
  ]) {
    const failure = await refusalOf(check(url, ['93.184.216.34']));
    assert.equal(failure.reason, 'egress_denied', url);
  }
});

test('a name without an address is a dns failure that is not worth repeating, a silent DNS server one that is', async () => {
  const unknown = await refusalOf(
    check('http://nowhere.example/', Object.assign(new Error('x'), { code: 'ENOTFOUND' })),
  );
  assert.equal(unknown.reason, 'dns');
  assert.equal(unknown.retryable, false);
  const empty = await refusalOf(check('http://nowhere.example/', []));
  assert.equal(empty.reason, 'dns');
  const silent = await refusalOf(check('http://slow.example/', Object.assign(new Error('x'), { code: 'EAI_AGAIN' })));
  assert.equal(silent.reason, 'dns');
  assert.equal(silent.retryable, true);
  assert.match(silent.message, /EAI_AGAIN/);
});

test('a look-up that never ends does not outlive the call', async () => {
  const guard = createEgressGuard(parseEgressAllow([]), () => new Promise(() => {}));
  const ending = new AbortController();
  const checked = guard.check(new URL('http://slow.example/'), ending.signal);
  const reason = new Error('time is over');
  ending.abort(reason);
  await assert.rejects(checked, reason);
});
