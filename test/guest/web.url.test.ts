import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../support/random-program.ts';
import { assertSameAsNode } from '../support/same-as-node.ts';
import { codeNode, Guest, programOf } from '../support/vm.ts';

type Address = [text: string, base: string | null];

const parts = [
  'href',
  'origin',
  'protocol',
  'username',
  'password',
  'host',
  'hostname',
  'port',
  'pathname',
  'search',
  'hash',
] as const;

/** Every part of each address, or null for one that cannot be parsed. */
const describeSource = `
  const parts = ${JSON.stringify(parts)};
  return input.body.map(([text, base]) => {
    if (!URL.canParse(text, base ?? undefined)) return null;
    const url = new URL(text, base ?? undefined);
    return [...parts.map((part) => url[part]), url.searchParams.toString()].join(' | ');
  });`;

function describeInNode([text, base]: Address): string | null {
  if (!URL.canParse(text, base ?? undefined)) return null;
  const url = new URL(text, base ?? undefined);
  return [...parts.map((part) => url[part]), url.searchParams.toString()].join(' | ');
}

function describeInGuest(guest: Guest, addresses: Address[]): (string | null)[] {
  const answer = guest.start({ input: { body: addresses } });
  assert.ok(answer.kind === 'ended', JSON.stringify(answer).slice(0, 1000));
  return answer.output as (string | null)[];
}

const atoms = [
  ...[
    'http:',
    'https:',
    'file:',
    'ws:',
    'foo:',
    'mailto:',
    'data:',
    'blob:',
    '//',
    '/',
    '\\',
    '?',
    '#',
    '@',
    ':',
    '[',
    ']',
  ],
  ...['[::1]', '[1:2::3:4]', '[::ffff:1.2.3.4]', '127.0.0.1', '0x7f.1', '256', '1.2.3', '09', '0x', '%41', '%', '%2e'],
  ...['%2E%2e', '..', '.', 'a', 'b', 'C:', 'C|', 'localhost', 'example.com', 'EXAMPLE', 'user', 'pass', ':80', ':443'],
  ...[
    ':8080',
    ':99999',
    ':0',
    'é',
    'ß',
    '日本',
    'xn--',
    'xn--fa-hia',
    '\t',
    '\n',
    ' ',
    '\u0000',
    '^',
    '|',
    '`',
    '{',
    '}',
  ],
  ...['"', "'", '<', '>', '=', '&', '+', '~', '$', '\u{1F600}', '\ud800', 'a b', 'k=v', '&k=v', '%zz', '%C3%A9', '%ff'],
  ...['\u00ad', '。', '-', '_', '1e3', '*', '(', ')', ';', ','],
];
const starts = ['http://', 'https://', 'file://', 'foo://', 'http:', 'file:', 'foo:/', ''];
const bases = [
  null,
  'http://u:p@h:81/a/b/c?q#f',
  'file:///C:/x/y?z',
  'mailto:x@y',
  'foo://h/p/q',
  'https://ex.org',
  'file://host/a',
  'foo:/a/b',
  'data:abc#x',
];

test('URL parses every address as Node does', () => {
  const seed = Number(process.env.NFLOW_TEST_SEED ?? 1);
  const random = seededRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  using guest = new Guest(programOf([codeNode('only', describeSource)]));
  for (let round = 0; round < 4; round++) {
    const addresses = Array.from({ length: 2000 }, (): Address => {
      const text = Array.from({ length: 1 + Math.floor(random() * 8) }, () => pick(atoms)).join('');
      return [pick(starts) + text, pick(bases)];
    });
    const got = describeInGuest(guest, addresses);
    for (const [i, address] of addresses.entries()) {
      assert.equal(got[i], describeInNode(address), `seed ${seed}: ${JSON.stringify(address)}`);
    }
  }
});

test('names of hosts are mapped as UTS 46 maps them, whatever character is in them', () => {
  using guest = new Guest(programOf([codeNode('only', describeSource)]));
  const different: number[] = [];
  for (let from = 0x80; from < 0x32000; from += 8192) {
    const points = Array.from({ length: 8192 }, (_, i) => from + i).filter((point) => point < 0xd800 || point > 0xdfff);
    const addresses = points.map((point): Address => [`http://a${String.fromCodePoint(point)}b/`, null]);
    const got = describeInGuest(guest, addresses);
    for (const [i, address] of addresses.entries()) {
      if (got[i] !== describeInNode(address)) different.push(points[i] as number);
    }
  }
  // Letters that are written from right to left and younger than Node's table, which takes them for something else.
  const isYoungLetter = (point: number): boolean =>
    (point >= 0x590 && point <= 0x8ff) ||
    (point >= 0xfb50 && point <= 0xfdff) ||
    (point >= 0x10800 && point <= 0x10fff) ||
    point >= 0x1e800;
  assert.deepEqual(
    different.filter((point) => !isYoungLetter(point)).map((point) => point.toString(16)),
    [],
  );
  assert.ok(different.length < 250, `${different.length} characters are taken otherwise than by Node`);
});

test('setters change a URL as Node does', async () => {
  const source = `
    const values = ['', 'a', 'http', 'https:', 'file', 'foo', '80', '8080x', '99999', 'h:81', 'h:', '[::1]:5', 'x/y?z#w', '?a=b', '#c', '/p/../q', 'é ß', '%zz', 'u@v', '\\\\', '1.2.3', '  ', 'a\\nb'];
    const out = [];
    for (const start of ['http://u:p@h:81/a/b?q#f', 'https://ex.org', 'file:///C:/x', 'foo://h/p', 'mailto:x@y', 'foo:/a']) {
      for (const part of ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash']) {
        for (const value of values) {
          const url = new URL(start);
          try { url[part] = value; } catch (error) { out.push(error.name); continue; }
          out.push([start, part, value, url.href, url.searchParams.size].join(' '));
        }
      }
    }
    return out;`;
  await assertSameAsNode(source);
});

test('URLSearchParams reads and writes parameters as Node does', async () => {
  await assertSameAsNode(`
    const out = [];
    for (const init of ['a=1&b=2&a=3', '?x=%20+%C3%A9&=&&y', '', '??', 'a=b=c', [['a', '1'], ['b', 'ü']], { k: 'v', 'a b': 'c&d' }, new Map([['m', 'n']])]) {
      const params = new URLSearchParams(init);
      out.push(params.toString(), [...params], params.size);
      params.append('a', "~!*'() \\ud800"); params.set('b', 'set'); params.sort(); params.delete('x');
      out.push(params.toString(), params.get('a'), params.getAll('a'), params.has('b'), params.has('b', 'set'), params.get('none'));
    }
    const url = new URL('http://a/?x=1#f');
    url.searchParams.append('y', '2 3'); out.push(url.href);
    url.search = '?z=9'; out.push([...url.searchParams]);
    url.searchParams.delete('z'); out.push(url.href, JSON.stringify({ url }), \`\${url}\`);
    for (const bad of [() => new URL('nope'), () => new URL('/x', 'nope'), () => new URLSearchParams([['a']]), () => new URL()]) {
      try { bad(); out.push('fine'); } catch (error) { out.push(error.name); }
    }
    out.push(URL.parse('nope'), URL.canParse('http://a'), Object.prototype.toString.call(url));
    return out;`);
});
