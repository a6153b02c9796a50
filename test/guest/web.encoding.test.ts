import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { seededRandom } from '../support/random-program.ts';
import { assertSameAsNode } from '../support/same-as-node.ts';
import { evaluate } from '../support/vm.ts';

const random = seededRandom(7);
const bytes = (size: number): number[] => Array.from({ length: size }, () => Math.floor(random() * 256));

test('text is encoded and decoded as Node does, malformed bytes and lone surrogates too', async () => {
  const texts = ['', 'abc', 'é', '日本語', '\u{1F600}', '\ud800', 'a\udc00b', '\ufeffbom', `${'x'.repeat(9000)}ü`];
  const lists = [
    ...Array.from({ length: 300 }, (_, i) => bytes(1 + (i % 12))),
    ...[
      [0xe2, 0x82],
      [0xf0, 0x9f, 0x98],
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xef, 0xbb, 0xbf, 65],
    ],
  ];
  await assertSameAsNode(
    `
    const encoder = new TextEncoder(), out = [];
    for (const text of input.texts) {
      out.push([...encoder.encode(text)]);
      const into = new Uint8Array(5); out.push(encoder.encodeInto(text, into), [...into]);
    }
    for (const list of input.lists) {
      const data = Uint8Array.from(list);
      for (const label of ['utf-8', 'utf-16le', 'latin1', 'utf-16be']) {
        out.push(new TextDecoder(label).decode(data));
        try { out.push(new TextDecoder(label, { fatal: true }).decode(data)); } catch (error) { out.push(error.name); }
      }
      const streaming = new TextDecoder();
      out.push(list.map((byte) => streaming.decode(Uint8Array.of(byte), { stream: true })).join('') + streaming.decode());
    }
    const kept = new TextDecoder('utf-8', { ignoreBOM: true });
    out.push(kept.decode(Uint8Array.of(0xef, 0xbb, 0xbf, 65)).length, kept.encoding, kept.fatal, kept.ignoreBOM, encoder.encoding);
    return out;`,
    { texts, lists },
  );
  assert.throws(() => evaluate("return new TextDecoder('shift_jis').encoding;"), /TextDecoder knows utf-8/);
});

test('base64 is read and written as Node does', async () => {
  await assertSameAsNode(
    `
    const out = [];
    for (const list of input.lists) { const text = String.fromCharCode(...list); out.push(btoa(text), atob(btoa(text)) === text); }
    for (const text of ['', 'YQ==', 'YQ', 'YWI=', ' Y W I = ', 'Y', 'YQ=', '====', 'YQ==YQ==', 'a-b_', '\\u00e9', 'YR==', 'AAAA\\n']) {
      try { out.push(atob(text)); } catch (error) { out.push(error.name); }
    }
    try { btoa('\\u0100'); } catch (error) { out.push(error.name, error.code, error instanceof Error); }
    return out;`,
    { lists: Array.from({ length: 60 }, (_, i) => bytes(i)) },
  );
});

test('digests are those of Node, whatever the length of the message', () => {
  const messages = Array.from({ length: 140 }, (_, i) => bytes(i < 135 ? i : 1000 * i));
  const source = `
    const out = [];
    for (const message of input.messages) for (const name of ['SHA-1', 'sha-256', { name: 'SHA-384' }, 'SHA-512'])
      out.push(new Uint8Array(await crypto.subtle.digest(name, Uint8Array.from(message))).toHex());
    return out;`;
  const expected = messages.flatMap((message) =>
    ['sha1', 'sha256', 'sha384', 'sha512'].map((name) => createHash(name).update(Buffer.from(message)).digest('hex')),
  );
  assert.deepEqual(evaluate(source, { input: { messages } }), expected);
});

test('random values are the step’s own: the same for one seed, others for another', () => {
  const draw = `
    const view = crypto.getRandomValues(new Uint8Array(33));
    return [crypto.randomUUID(), view.toHex(), crypto.getRandomValues(new BigInt64Array(1))[0] === 0n];`;
  const once = evaluate(draw) as [string, string, boolean];
  assert.match(once[0], /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(new Set(once[1].match(/../g)).size > 20, true);
  assert.deepEqual(evaluate(draw), once);
  assert.notDeepEqual(evaluate(draw, { seed: 'ff112233445566778899aabbccddeeff' }), once);
  for (const wrong of ['new Float32Array(1)', '[1]', 'new DataView(new ArrayBuffer(1))', 'new Uint8Array(65537)']) {
    const name = evaluate(`try { crypto.getRandomValues(${wrong}); } catch (error) { return error.name; }`);
    assert.match(String(name), /^(TypeMismatch|QuotaExceeded)Error$/, wrong);
  }
});

test('structuredClone copies what can be copied, and refuses the rest, as Node does', async () => {
  await assertSameAsNode(`
    const show = (value) => {
      const seen = [];
      const visit = (one) => {
        if (typeof one !== 'object' || one === null) return Object.is(one, -0) ? '-0' : String(one) + typeof one;
        if (seen.includes(one)) return 'seen ' + seen.indexOf(one);
        seen.push(one);
        const tag = Object.prototype.toString.call(one);
        const own = ArrayBuffer.isView(one) ? [] : Object.entries(one).map(([key, item]) => [key, visit(item)]);
        const inside = one instanceof Map ? [...one].map((pair) => pair.map(visit)) : one instanceof Set ? [...one].map(visit)
          : one instanceof Date ? one.getTime() : one instanceof RegExp ? [String(one), one.lastIndex] : one instanceof Error ? [one.name, one.message, visit(one.cause)]
          : ArrayBuffer.isView(one) ? [one.byteOffset, one.byteLength, [...new Uint8Array(one.buffer)]] : one instanceof ArrayBuffer ? [...new Uint8Array(one)] : one.valueOf() === one ? null : visit(one.valueOf());
        return [tag, own, inside];
      };
      return JSON.stringify(visit(value));
    };
    class Mine { constructor() { this.a = 1; } get b() { return 2; } }
    const cycle = { list: [] }; cycle.list.push(cycle, { same: cycle.list });
    const shared = new Uint8Array([1, 2, 3, 4]);
    const sparse = [1, , 3]; sparse.extra = 'x';
    const out = [];
    for (const value of [1, -0, NaN, 'a', null, undefined, true, 10n, Object(1), Object('s'), Object(true), Object(1n), new Date(5), /a/gi, new Map([[{ k: 1 }, new Set([1, 'a'])]]),
      new Mine(), cycle, [shared, shared.subarray(1, 3), new DataView(shared.buffer, 1)], sparse, new RangeError('r', { cause: { c: 1 } }), Object.create(null), Object.create({ inherited: 1 }), { get g() { return 7; } }, { __proto__: { x: 1 }, ['__proto__']: 1 }])
      out.push(show(structuredClone(value)));
    for (const bad of [() => {}, Symbol('s'), { deep: [class {}] }, Promise.resolve(), new WeakMap(), new WeakSet(), new Map([[1, () => 1]])])
      try { structuredClone(bad); out.push('cloned'); } catch (error) { out.push(error.name, error.code); }
    const moved = new Uint8Array([9, 8]);
    const copy = structuredClone({ moved }, { transfer: [moved.buffer] });
    out.push([...copy.moved], moved.byteLength);
    const arrays = structuredClone(new Array(3)); out.push(arrays.length, 0 in arrays);
    return out;`);
});
