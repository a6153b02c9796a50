import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundle } from '../support/bundle.ts';
import { codeNode, Guest, programOf } from '../support/vm.ts';

/** Real packages, as their authors wrote them, used inside a VM: what they do there is what they do in Node. */
const libraries: [name: string, use: string, output: unknown][] = [
  [
    'zod',
    `const order = lib.z.object({ total: lib.z.number().min(1), at: lib.z.coerce.date(), mail: lib.z.email().optional() });
     return [order.safeParse({ total: 0, at: 0, mail: 'x' }).error.issues.map((issue) => issue.path[0]), order.parse({ total: 2, at: 0 })];`,
    [['total', 'mail'], { total: 2, at: '1970-01-01T00:00:00.000Z' }],
  ],
  [
    'ajv',
    `const validate = new lib.default().compile({ type: 'object', required: ['x'], properties: { x: { type: 'integer' } } });
     return [validate({ x: 1 }), validate({ x: 's' }), validate.errors[0].instancePath];`,
    [true, false, '/x'],
  ],
  ['semver', 'return [lib.inc("1.2.3", "minor"), lib.satisfies("1.2.3", "^1.0.0")];', ['1.3.0', true]],
  [
    'fast-check',
    'lib.assert(lib.property(lib.array(lib.integer()), (list) => list.toReversed().toReversed().join() === list.join())); return lib.sample(lib.nat(9), 3).length;',
    3,
  ],
  [
    'acorn',
    'return lib.parse("async () => { await x?.y; }", { ecmaVersion: "latest" }).body[0].expression.async;',
    true,
  ],
  ['jsonc-parser', 'return lib.parse("{ /* c */ \\"a\\": [1,], }");', { a: [1] }],
  ['dequal', 'return lib.dequal({ a: new Map([[1, new Set([2])]]) }, { a: new Map([[1, new Set([2])]]) });', true],
  [
    'rfdc',
    'return lib({ circles: true })({ a: [1, { b: new Date(0) }] });',
    { a: [1, { b: '1970-01-01T00:00:00.000Z' }] },
  ],
  ['ipaddr.js', 'return lib.parse("::ffff:192.0.2.1").toIPv4Address().octets;', [192, 0, 2, 1]],
  ['fast-uri', 'return lib.resolve("http://a/b/c", "../d?e#f");', 'http://a/d?e#f'],
  ['secure-json-parse', `try { lib.parse('{"__proto__":1}'); } catch (error) { return error.name; }`, 'SyntaxError'],
  ['safe-stable-stringify', 'const a = { b: 1n, a: {} }; a.a.a = a; return lib(a);', '{"a":{"a":"[Circular]"},"b":1}'],
  ['pino-std-serializers', 'return lib.err(new TypeError("x", { cause: new Error("y") })).message;', 'x: y'],
  ['tdigest', 'const digest = new lib.TDigest(); digest.push([1, 2, 3]); return digest.percentile(0.5);', 2],
  [
    'toad-cache',
    'const cache = new lib.LruMap(1); cache.set(1, "a"); cache.set(2, "b"); return [cache.get(1) ?? null, cache.get(2)];',
    [null, 'b'],
  ],
];

for (const [name, use, output] of libraries) {
  test(`${name} works inside a VM, again and again`, () => {
    using guest = new Guest(programOf([codeNode('only', `const lib = ${bundle(name)};\n${use}`)]), 128);
    assert.equal(guest.loadError, '');
    for (let run = 0; run < 2; run++) {
      const answer = guest.start();
      assert.ok(answer.kind === 'ended', JSON.stringify(answer).slice(0, 1000));
      assert.deepEqual(answer.output, output);
    }
  });
}

test('what a library puts on globalThis is there in its step, and nowhere else', () => {
  const put =
    'globalThis.__shared ??= { count: 0 }; return [++globalThis.__shared.count, "__shared" in globalThis, typeof __shared];';
  using guest = new Guest(
    programOf([
      codeNode('first', put, 'second'),
      codeNode('second', `const own = (() => { ${put} })(); return [prev, own];`),
    ]),
  );
  for (let run = 0; run < 3; run++) {
    const answer = guest.start();
    assert.ok(answer.kind === 'ended');
    assert.deepEqual(answer.output, [
      [1, true, 'object'],
      [1, true, 'object'],
    ]);
  }
});
