import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeNode, evaluate, failure, Guest, programOf } from '../support/vm.ts';

const refused: [name: string, source: string, code: string, message: RegExp][] = [
  ['a cycle', 'const a = {}; a.a = a; return a;', 'result_not_json', /contains itself/],
  ['a cycle in an array', 'const a = []; a.push([a]); return a;', 'result_not_json', /contains itself/],
  ['a BigInt', 'return 1n;', 'result_not_json', /the result is a bigint/],
  ['a BigInt from toJSON', 'return { toJSON: () => 1n };', 'result_not_json', /BigInt/],
  ['a function', 'return { f() {} };', 'result_not_json', /the result\.f is a function/],
  ['a class', 'return class {};', 'result_not_json', /the result is a function/],
  ['a symbol', 'return [Symbol.iterator];', 'result_not_json', /the result\[0\] is a symbol/],
  ['deep nesting', 'let a = 1; for (let i = 0; i < 1e5; i++) a = [a]; return a;', 'result_not_json', /nested deeper/],
  ['100 MB of text', 'return "x".repeat(100 * 1024 * 1024);', 'output_too_large', /6291456 characters/],
  [
    '100 MB in parts',
    'const part = "x".repeat(1024 * 1024); return Array(100).fill(part);',
    'output_too_large',
    /6291456/,
  ],
  ['100 MB by a flat text', 'return { text: "ab".repeat(50 * 1024 * 1024) };', 'output_too_large', /6291456/],
  ['2^32 - 1 holes', 'return new Array(2 ** 32 - 1);', 'output_too_large', /6291456/],
  ['a getter that throws', 'return { get x() { throw new RangeError("got"); } };', 'node_failed', /got/],
  ['toJSON that throws', 'return { toJSON() { throw new Error("no"); } };', 'result_not_json', /no/],
  ['toJSON that throws null', 'return { toJSON() { throw null; } };', 'result_not_json', /could not be turned/],
  ['a proxy that throws', 'return new Proxy({}, { ownKeys() { throw new Error("trap"); } });', 'node_failed', /trap/],
  [
    'a revoked proxy',
    'const r = Proxy.revocable({}, {}); r.revoke(); return { r: r.proxy };',
    'node_failed',
    /revoked/,
  ],
  [
    'a proxy without an end',
    'const p = new Proxy({}, { ownKeys: () => ["p"], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true, value: p }), get: (_, key) => key === "toJSON" ? undefined : p }); return p;',
    'result_not_json',
    /nested deeper/,
  ],
  ['a thenable that throws', 'return { then() { throw new Error("then"); } };', 'node_failed', /then/],
  ['a thenable that is silent', 'return { then() {} };', 'node_failed', /nothing can settle/],
  ['a thenable that rejects', 'return { then(_, reject) { reject({ a: 1 }); } };', 'node_failed', /\{"a":1\}/],
];

for (const [name, source, code, message] of refused) {
  test(`${name} as a result is an error that says so`, () => {
    for (const isAsync of [true, false]) {
      const error = failure(source, isAsync);
      assert.equal(error.code, code, JSON.stringify(error).slice(0, 500));
      assert.match(String(error.message), message);
    }
  });
}

test('what JSON can say in its own way is said so', () => {
  const results: [source: string, output: unknown][] = [
    ['return undefined;', null],
    ['return [NaN, Infinity, -0, undefined, null, , 1];', [null, null, 0, null, null, null, 1]],
    ['return new Date(NaN);', null],
    [
      'return { d: new Date(0), m: new Map([[1, 2]]), r: /a/, e: new Error("x") };',
      { d: '1970-01-01T00:00:00.000Z', m: {}, r: {}, e: {} },
    ],
    ['return { toJSON() { return { a: 1 }; } };', { a: 1 }],
    ['return { toJSON() { return undefined; } };', null],
    [
      'return Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true }, hidden: { value: 3 } });',
      { own: 2 },
    ],
    [
      'return { ["__proto__"]: 1, constructor: 2, "\\ud800": "\\udc00" };',
      JSON.parse('{"__proto__":1,"constructor":2,"\\ud800":"\\udc00"}'),
    ],
    ['return new Proxy({ a: 1 }, {});', { a: 1 }],
    ['return { then(resolve) { resolve({ then(again) { again(5); } }); } };', 5],
    ['return new String("boxed");', 'boxed'],
    ['return Object(Symbol.iterator);', {}],
    ['return new URL("http://a/b");', 'http://a/b'],
    ['return new Uint8Array([1, 2]);', { 0: 1, 1: 2 }],
  ];
  for (const [source, output] of results) assert.deepEqual(evaluate(source), output, source);
});

const thrown: [name: string, source: string, message: RegExp][] = [
  ['null', 'throw null;', /^null$/],
  ['undefined', 'throw undefined;', /^undefined$/],
  ['a number', 'throw NaN;', /^NaN$/],
  ['a BigInt', 'throw 10n;', /^10n$/],
  ['a symbol', 'throw Symbol("s");', /Symbol\(s\)/],
  ['a function', 'throw function named() {};', /named/],
  ['a plain object', 'throw { a: { b: [1, "x"] } };', /^\{"a":\{"b":\[1,"x"\]\}\}$/],
  ['a cycle', 'const a = {}; a.a = a; throw a;', /circular/],
  [
    'a proxy that throws',
    'throw new Proxy({}, { get() { throw 1; }, has() { throw 1; }, ownKeys() { throw 1; }, getPrototypeOf() { throw 1; } });',
    /cannot be shown/,
  ],
  ['a revoked proxy', 'const r = Proxy.revocable({}, {}); r.revoke(); throw r.proxy;', /cannot be shown/],
  [
    'an error with getters that throw',
    'throw Object.defineProperties(new Error("x"), { message: { get() { throw 1; } }, stack: { get() { throw 2; } }, name: { get() { throw 3; } }, code: { get() { throw 4; } } });',
    /./,
  ],
  [
    'an error with getters that answer oddly',
    'throw Object.defineProperties(new Error("x"), { message: { get() { return { a: 1 }; } }, stack: { value: 7 }, name: { value: Symbol() } });',
    /./,
  ],
  ['a very long message', 'throw new Error("m".repeat(5 * 1024 * 1024));', /^m{8192}…$/],
  ['a very long stack', 'const e = new Error("s"); e.stack = "at x (nflow/only:1:1)\\n".repeat(1e6); throw e;', /^s$/],
  ['an error whose cause is itself', 'const e = new Error("self"); e.cause = e; throw e;', /^self$/],
  [
    'an error of an effect that was bent',
    'const e = await ctx.sleep("no").catch((x) => x); Object.defineProperty(e, "reason", { get() { throw 1; } }); e.retryable = 1n; throw e;',
    /duration/,
  ],
  [
    'an aggregate of ten thousand',
    'throw new AggregateError(Array.from({ length: 1e4 }, (_, i) => new Error(String(i))), "many");',
    /^many$/,
  ],
  ['a stack overflow', 'const f = () => f(); f();', /call stack/],
];

for (const [name, source, message] of thrown) {
  test(`${name} that is thrown becomes a described error`, () => {
    const error = failure(source);
    assert.equal(error.code, 'node_failed');
    assert.match(String(error.message), message);
    assert.ok(JSON.stringify(error).length < 64 * 1024);
  });
}

test('a rejected promise that nobody looks at is said in the logs, and the run goes on', () => {
  const source = `
    Promise.reject(new TypeError('lost'));
    await ctx.sleep(1);
    (async () => { throw null; })();
    await ctx.sleep(1);
    return 'went on';`;
  using guest = new Guest(programOf([codeNode('only', source)]));
  const first = guest.start();
  assert.equal(first.kind, 'waits');
  const second = guest.deliver(first.run, 'only', 1, 'null');
  assert.equal(second.kind, 'waits');
  const end = guest.deliver(first.run, 'only', 2, 'null');
  assert.equal(end.kind === 'ended' && end.output, 'went on');
  const ends = guest.start({ input: {} });
  assert.equal(ends.kind, 'waits');
});

test('a segment that rejects and ends gives its own answer, never that of another run', () => {
  using guest = new Guest(
    programOf([codeNode('only', 'if (input.n % 2) Promise.reject(new Error("x")); return input.n;')]),
  );
  for (let n = 0; n < 10; n++) {
    const answer = guest.start({ input: { n } });
    assert.equal(answer.kind === 'ended' && answer.output, n);
  }
});

test('logs show any value, and consoles do what they do elsewhere', () => {
  const source = `
    const cycle = { a: 1 }; cycle.self = cycle;
    console.log('%s is %d of %i %j %%', 'x', 1.5, 2.7, { a: 1 }, 'rest', [1]);
    console.log(new Map([['k', new Set([1n])]]), cycle, () => {}, Symbol('s'), undefined, null, new Date(0), /a/g);
    console.error(new RangeError('bad'));
    console.log(new Proxy({}, { get() { throw 1; } }), { get x() { throw 1; } });
    console.count(); console.count('c'); console.count(); console.assert(1, 'no'); console.assert(0, 'yes'); console.time('t'); console.timeEnd('t');
    console.table([{ a: 1 }]); console.group('g'); console.groupEnd(); console.log('x'.repeat(20000));
    return 0;`;
  using guest = new Guest(programOf([codeNode('only', source)]));
  const answer = guest.start();
  assert.ok(answer.kind === 'ended');
  const lines = answer.logs.map((line) => [line[3], line[5]] as [string, string]);
  assert.deepEqual(lines[0], ['info', 'x is 1.5 of 2 {"a":1} % rest [1]']);
  assert.deepEqual(lines[1], [
    'info',
    'Map(1) {"k" => Set(1) {1n}} {"a":1,"self":[circular]} [function ] Symbol(s) undefined null 1970-01-01T00:00:00.000Z /a/g',
  ]);
  assert.match(lines[2]?.[1] ?? '', /^RangeError: bad\n/);
  assert.match(lines[3]?.[1] ?? '', /cannot be shown.* /);
  assert.deepEqual(
    lines.slice(4, 11).map(([, text]) => text),
    ['default: 1', 'c: 1', 'default: 2', 'Assertion failed yes', 't: 0 ms', '[{"a":1}]', 'g'],
  );
  assert.equal(lines[11]?.[1].length, 8193);
});
