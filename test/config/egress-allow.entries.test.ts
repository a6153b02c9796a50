import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEgressAllow } from '../../src/config/egress-allow.ts';
import { parseIpAddress } from '../../src/config/ip-address.ts';
import { NflowError } from '../../src/errors.ts';

function address(text: string): Uint8Array {
  const parsed = parseIpAddress(text);
  assert.ok(parsed, text);
  return parsed;
}

const addressCases: [entry: string, address: string, port: number, allowed: boolean][] = [
  ['127.0.0.1', '127.0.0.1', 80, true],
  ['127.0.0.1', '127.0.0.2', 80, false],
  ['127.0.0.1:8080', '127.0.0.1', 8080, true],
  ['127.0.0.1:8080', '127.0.0.1', 8081, false],
  ['10.0.0.0/8', '10.200.0.1', 443, true],
  ['10.0.0.0/8', '11.0.0.0', 443, false],
  ['10.0.0.0/8:443', '10.0.0.1', 443, true],
  ['10.0.0.0/8:443', '10.0.0.1', 80, false],
  ['10.32.0.0/11', '10.63.255.255', 1, true],
  ['10.32.0.0/11', '10.64.0.0', 1, false],
  ['0.0.0.0/0', '169.254.169.254', 80, true],
  ['0.0.0.0/0', '::1', 80, false],
  ['::1', '::1', 80, true],
  ['[::1]', '::1', 80, true],
  ['[::1]:8080', '::1', 8080, true],
  ['[::1]:8080', '::1', 80, false],
  ['fd00::/8', 'fd12::1', 80, true],
  ['fd00::/8', 'fe80::1', 80, false],
  ['[fd00::/8]:443', 'fd12::1', 443, true],
  ['[fd00::/8]:443', 'fd12::1', 80, false],
  ['::ffff:0:0/96', '127.0.0.1', 80, false],
];

test('an entry with an address or a CIDR opens those addresses, at its port when it has one', () => {
  for (const [entry, text, port, allowed] of addressCases) {
    const list = parseEgressAllow([entry]);
    assert.equal(list.allowsAddress(address(text), port), allowed, `${entry} for ${text} port ${port}`);
    assert.equal(list.allowsName(text, port), false);
  }
});

test('an entry with a name opens that name only, whatever its case and with or without the root dot', () => {
  const list = parseEgressAllow(['Stock.Internal', 'prices.:8080']);
  assert.equal(list.allowsName('stock.internal', 1), true);
  assert.equal(list.allowsName('www.stock.internal', 1), false);
  assert.equal(list.allowsName('stock.internal.example', 1), false);
  assert.equal(list.allowsName('prices', 8080), true);
  assert.equal(list.allowsName('prices', 80), false);
  assert.equal(list.allowsAddress(address('127.0.0.1'), 8080), false);
});

const wrong: [entry: string, says: RegExp][] = [
  ['', /not a name/],
  ['*.internal', /not a name/],
  ['http://stock', /not a name|port/],
  ['stock:0', /port outside 1 to 65535/],
  ['stock:65536', /port outside 1 to 65535/],
  ['stock:', /port outside 1 to 65535/],
  ['stock:http', /port outside 1 to 65535/],
  ['10.0.0.1/8', /has bits after its prefix; write "10\.0\.0\.0\/8"/],
  ['fd00::1/8', /has bits after its prefix; write "fd00::\/8"/],
  ['10.0.0.0/33', /not a name/],
  ['::/129', /not a name/],
  ['0x7f.1', /means 127\.0\.0\.1; write that/],
  ['2130706433', /means 127\.0\.0\.1; write that/],
  ['999.1.1.1', /not a valid name/],
  ['stock internal', /not a name/],
  ['user@stock', /not a name/],
  ['[::1', /not a name/],
];

test('an entry that cannot be read stops the start, naming the entry and what is allowed', () => {
  for (const [entry, says] of wrong) {
    assert.throws(
      () => parseEgressAllow(['127.0.0.1', entry]),
      (error: unknown) => {
        assert.ok(error instanceof NflowError, `"${entry}" was accepted`);
        assert.equal(error.code, 'invalid_config');
        assert.match(error.message, /\[egress\] allow\[1\]/);
        assert.match(error.message, says);
        assert.equal(error.details.got, entry);
        return true;
      },
      `"${entry}"`,
    );
  }
});
