import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEgressAllow } from '../../src/config/egress-allow.ts';
import { formatIpAddress, networkOf, parseAddressBlock, parseIpAddress } from '../../src/config/ip-address.ts';
import { refusedRangeOf, refusedRanges } from '../../src/effects/http/address-ranges.ts';
import { createEgressGuard } from '../../src/effects/http/egress-guard.ts';
import { HttpFailure } from '../../src/effects/http/failure.ts';

/** Host as somebody may write it in a URL → the range that refuses it, `public`, or `not a URL`. */
const forms: [host: string, expected: string][] = [
  // Loopback in every spelling a URL knows.
  ['127.0.0.1', '127.0.0.0/8'],
  ['127.0.0.1.', '127.0.0.0/8'],
  ['127.1', '127.0.0.0/8'],
  ['127.0.1', '127.0.0.0/8'],
  ['127.255.255.255', '127.0.0.0/8'],
  ['2130706433', '127.0.0.0/8'],
  ['0x7f000001', '127.0.0.0/8'],
  ['0X7F.1', '127.0.0.0/8'],
  ['0x7f.0.0.1', '127.0.0.0/8'],
  ['017700000001', '127.0.0.0/8'],
  ['0177.0.0.1', '127.0.0.0/8'],
  ['0177.0x0.0.01', '127.0.0.0/8'],
  ['127.0.0.0x1', '127.0.0.0/8'],
  ['127.0.0.%31', '127.0.0.0/8'],
  ['%31%32%37.0.0.1', '127.0.0.0/8'],
  ['127%2E0%2E0%2E1', '127.0.0.0/8'],
  ['１２７.０.０.１', '127.0.0.0/8'],
  ['127。0。0。1', '127.0.0.0/8'],
  ['①②⑦.⓪.⓪.①', '127.0.0.0/8'],
  ['[::1]', '::1/128'],
  ['[0:0:0:0:0:0:0:1]', '::1/128'],
  ['[0000:0000::0001]', '::1/128'],
  // The unspecified address is this machine.
  ['0.0.0.0', '0.0.0.0/32'],
  ['0', '0.0.0.0/32'],
  ['0x0', '0.0.0.0/32'],
  ['00000000', '0.0.0.0/32'],
  ['0.0.0.1', '0.0.0.0/8'],
  ['0.255.255.255', '0.0.0.0/8'],
  ['[::]', '::/128'],
  ['[0:0::0]', '::/128'],
  // Private.
  ['10.0.0.0', '10.0.0.0/8'],
  ['10.1.2.3', '10.0.0.0/8'],
  ['10.255.255.255', '10.0.0.0/8'],
  ['012.1.2.3', '10.0.0.0/8'],
  ['0xa.1.2.3', '10.0.0.0/8'],
  ['167772161', '10.0.0.0/8'],
  ['172.16.0.0', '172.16.0.0/12'],
  ['172.31.255.255', '172.16.0.0/12'],
  ['192.168.0.1', '192.168.0.0/16'],
  ['192.168.65535', '192.168.0.0/16'],
  ['0xc0a80001', '192.168.0.0/16'],
  ['100.64.0.0', '100.64.0.0/10'],
  ['100.127.255.255', '100.64.0.0/10'],
  ['[fc00::1]', 'fc00::/7'],
  ['[fd12:3456:789a::1]', 'fc00::/7'],
  ['[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]', 'fc00::/7'],
  // Link-local and metadata.
  ['169.254.0.1', '169.254.0.0/16'],
  ['169.254.255.255', '169.254.0.0/16'],
  ['169.254.169.254', '169.254.169.254/32'],
  ['2852039166', '169.254.169.254/32'],
  ['0xa9fea9fe', '169.254.169.254/32'],
  ['0251.0376.0251.0376', '169.254.169.254/32'],
  ['169.254.43518', '169.254.169.254/32'],
  ['100.100.100.200', '100.100.100.200/32'],
  ['168.63.129.16', '168.63.129.16/32'],
  ['192.0.0.192', '192.0.0.0/24'],
  ['[fd00:ec2::254]', 'fd00:ec2::/32'],
  ['[fd20:ce::254]', 'fd20:ce::254/128'],
  ['[fe80::1]', 'fe80::/10'],
  ['[febf::1]', 'fe80::/10'],
  ['[fec0::1]', 'fec0::/10'],
  ['[feff::1]', 'fec0::/10'],
  ['[fe80::1%25eth0]', 'not a URL'],
  ['[fe80::1%eth0]', 'not a URL'],
  // Multicast, broadcast, reserved.
  ['224.0.0.1', '224.0.0.0/4'],
  ['239.255.255.250', '224.0.0.0/4'],
  ['240.0.0.1', '240.0.0.0/4'],
  ['255.255.255.254', '240.0.0.0/4'],
  ['255.255.255.255', '255.255.255.255/32'],
  ['0xffffffff', '255.255.255.255/32'],
  ['4294967295', '255.255.255.255/32'],
  ['[ff02::1]', 'ff00::/8'],
  ['[ff0e::1]', 'ff00::/8'],
  // Documentation, benchmarking, protocol assignments.
  ['192.0.2.1', '192.0.2.0/24'],
  ['198.51.100.7', '198.51.100.0/24'],
  ['203.0.113.255', '203.0.113.0/24'],
  ['198.18.0.1', '198.18.0.0/15'],
  ['198.19.255.255', '198.18.0.0/15'],
  ['192.0.0.8', '192.0.0.0/24'],
  ['192.88.99.1', '192.88.99.0/24'],
  ['[2001:db8::1]', '2001:db8::/32'],
  ['[3fff::1]', '3fff::/20'],
  ['[3fff:fff:ffff::1]', '3fff::/20'],
  ['[2001:2::1]', '2001:2::/48'],
  ['[2001:10::1]', '2001::/23'],
  ['[2001:1ff::1]', '2001::/23'],
  ['[100::1]', '100::/64'],
  ['[5f00::1]', '5f00::/16'],
  // IPv4 inside IPv6.
  ['[::ffff:127.0.0.1]', '::ffff:0:0/96'],
  ['[::ffff:7f00:1]', '::ffff:0:0/96'],
  ['[0:0:0:0:0:ffff:7f00:0001]', '::ffff:0:0/96'],
  ['[::ffff:169.254.169.254]', '::ffff:0:0/96'],
  ['[::ffff:8.8.8.8]', '::ffff:0:0/96'],
  ['[::ffff:0:127.0.0.1]', '::ffff:0:0:0/96'],
  ['[::127.0.0.1]', '::/96'],
  ['[::10.0.0.1]', '::/96'],
  ['[::2]', '::/96'],
  ['[64:ff9b::127.0.0.1]', '64:ff9b::/96'],
  ['[64:ff9b::8.8.8.8]', '64:ff9b::/96'],
  ['[64:ff9b:1::1]', '64:ff9b:1::/48'],
  ['[2002:7f00:1::]', '2002::/16'],
  ['[2002:a9fe:a9fe::1]', '2002::/16'],
  ['[2001::1]', '2001::/32'],
  ['[2001:0:4136:e378:8000:63bf:3fff:fdd2]', '2001::/32'],
  // Nobody's.
  ['[1::1]', '::/0'],
  ['[4000::1]', '::/0'],
  ['[e000::1]', '::/0'],
  ['[fe00::1]', '::/0'],
  // Public neighbours of the above.
  ['1.0.0.0', 'public'],
  ['8.8.8.8', 'public'],
  ['134744072', 'public'],
  ['9.255.255.255', 'public'],
  ['11.0.0.0', 'public'],
  ['100.63.255.255', 'public'],
  ['100.128.0.0', 'public'],
  ['126.255.255.255', 'public'],
  ['128.0.0.0', 'public'],
  ['168.63.129.17', 'public'],
  ['169.253.255.255', 'public'],
  ['169.255.0.0', 'public'],
  ['172.15.255.255', 'public'],
  ['172.32.0.0', 'public'],
  ['191.255.255.255', 'public'],
  ['192.0.1.0', 'public'],
  ['192.0.3.0', 'public'],
  ['192.167.255.255', 'public'],
  ['192.169.0.0', 'public'],
  ['198.17.255.255', 'public'],
  ['198.20.0.0', 'public'],
  ['203.0.112.255', 'public'],
  ['203.0.114.0', 'public'],
  ['223.255.255.255', 'public'],
  ['[2001:200::1]', 'public'],
  ['[2001:4860:4860::8888]', 'public'],
  ['[2606:4700::1111]', 'public'],
  ['[2003::1]', 'public'],
  ['[2a00:1450:4001::1]', 'public'],
  ['[3ffe::1]', 'public'],
  // What no URL is.
  ['256.0.0.1', 'not a URL'],
  ['127.0.0.1.2', 'not a URL'],
  ['4294967296', 'not a URL'],
  ['0x100000000', 'not a URL'],
  ['127.0.0.08', 'not a URL'],
  ['[::1', 'not a URL'],
  ['[::12345]', 'not a URL'],
  ['[127.0.0.1]', 'not a URL'],
  ['127.0.0.1%00', 'not a URL'],
];

test('every spelling of an address is refused for the range it is in, and public neighbours pass', async (t) => {
  const guard = createEgressGuard(parseEgressAllow([]), () => assert.fail('an address must not be looked up'));
  assert.ok(forms.length >= 100);
  for (const [host, expected] of forms) {
    await t.test(`${host} is ${expected}`, async () => {
      if (!URL.canParse(`http://${host}/`)) return assert.equal(expected, 'not a URL');
      const outcome = await guard.check(new URL(`http://${host}/`), new AbortController().signal).then(
        () => 'public',
        (error: unknown) => {
          assert.ok(error instanceof HttpFailure);
          assert.equal(error.reason, 'egress_denied');
          return error.message;
        },
      );
      if (expected === 'public') return assert.equal(outcome, 'public');
      const range = [...refusedRanges].find((row) => row.cidr === expected);
      const what =
        range === undefined ? 'outside the global unicast addresses (RFC 4291)' : `${range.what} (${range.source})`;
      assert.ok(outcome.includes(what), `expected "${what}" in: ${outcome}`);
    });
  }
});

test('the first and the last address of every range of the table are refused', () => {
  for (const range of refusedRanges) {
    const block = parseAddressBlock(range.cidr);
    assert.ok(block);
    const first = networkOf(block);
    assert.deepEqual(first, block.base, `${range.cidr} has bits after its prefix`);
    const last = first.map((byte, i) => byte | (0xff >> Math.min(8, Math.max(0, block.prefix - i * 8))));
    assert.ok(refusedRangeOf(first), range.cidr);
    assert.ok(refusedRangeOf(last), range.cidr);
  }
});

test('no range of the table is hidden behind an earlier one', () => {
  for (const range of refusedRanges) {
    const block = parseAddressBlock(range.cidr);
    assert.ok(block);
    // An address in the middle: narrow ranges stand at the edges of wide ones.
    const inside = block.base.map((byte, i) => {
      const free = 0xff >> Math.min(8, Math.max(0, block.prefix - i * 8));
      return byte | (free & (i === block.base.length - 1 ? 0x55 : 0x77));
    });
    assert.equal(refusedRangeOf(inside)?.cidr, range.cidr, formatIpAddress(inside));
  }
});

test('addresses that are not addresses are not read as one', () => {
  for (const text of [
    '',
    'localhost',
    '127.1',
    '0x7f.0.0.1',
    '01.2.3.4',
    '1.2.3.4 ',
    'fe80::1%eth0',
    '[::1]',
    '1:2:3',
    ':::',
  ]) {
    assert.equal(parseIpAddress(text), null, text);
  }
});
