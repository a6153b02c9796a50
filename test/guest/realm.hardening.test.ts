import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeNode, evaluate, Guest, programOf } from '../support/vm.ts';

test('nothing of the host and no way to keep state is reachable', () => {
  const names = [
    'WebAssembly',
    'SharedArrayBuffer',
    'Atomics',
    'WeakRef',
    'FinalizationRegistry',
    'process',
    'require',
    'gc',
    '_ivm',
  ];
  assert.deepEqual(
    evaluate(`return ${JSON.stringify(names)}.filter((name) => typeof globalThis[name] !== 'undefined');`),
    [],
  );
});

test('every object that is reachable from the global object and from syntax is frozen', () => {
  const source = `
    const proto = Object.getPrototypeOf;
    const seen = new Set(), open = [];
    const queue = [globalThis, proto(async () => {}), proto(async function* () {}), proto(function* () {}), proto([].values()), proto('a'.matchAll(/a/g)), proto(new Map().keys())];
    while (queue.length) {
      const value = queue.pop();
      if (value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value)) continue;
      seen.add(value);
      if (value !== globalThis && !Object.isFrozen(value)) open.push(String(value.name ?? Object.keys(value)));
      queue.push(proto(value));
      for (const key of Reflect.ownKeys(value)) {
        const d = Object.getOwnPropertyDescriptor(value, key);
        queue.push(d.value, d.get, d.set);
      }
    }
    return [open, Object.isFrozen(globalThis) || !Object.isExtensible(globalThis), seen.size > 800];`;
  assert.deepEqual(evaluate(source), [[], true, true]);
});

test('ordinary library code that assigns built-in names on its own objects works', () => {
  const source = `
    function Animal(name) { this.name = name; }
    Animal.prototype.toString = function () { return 'animal ' + this.name; };
    Animal.prototype.constructor = Animal;
    const error = new Error('x'); error.name = 'Mine'; error.message = 'y'; error.toString = () => 'z';
    class Failure extends TypeError { constructor(m) { super(m); this.name = 'Failure'; this.code = 1; } }
    const o = {}; o.toString = () => 'o'; o.constructor = 1; o.hasOwnProperty = 2; o.valueOf = () => 3;
    const list = [1]; list.toString = () => 'list';
    class Stack extends Array { peek() { return this.at(-1); } }
    function Old() { Error.call(this); } Old.prototype = Object.create(Error.prototype); Old.prototype.constructor = Old; Old.prototype.name = 'Old';
    const fn = () => {}; fn.toString = () => 'fn';
    return [String(new Animal('a')), error.name, String(error), new Failure('m').name, String(o), o.constructor, String(list), Stack.of(1, 2).peek(), new Old().name, String(fn), Object.keys(o)];`;
  assert.deepEqual(evaluate(source), [
    'animal a',
    'Mine',
    'z',
    'Failure',
    'o',
    1,
    'list',
    2,
    'Old',
    'fn',
    ['toString', 'constructor', 'hasOwnProperty', 'valueOf'],
  ]);
});

const leaks: [name: string, write: string][] = [
  ['a global', 'globalThis.leak = 1'],
  ['an undeclared name', 'leak = 1'],
  ['a global by indirect eval', '(0, eval)("var leak = 1")'],
  ['a global by Function', 'Function("this.leak = 1")()'],
  ['Object.prototype', 'Object.prototype.leak = 1'],
  ['Array.prototype', 'Array.prototype.leak = 1'],
  ['a built-in function', 'Math.max.leak = 1'],
  ['console', 'console.leak = 1'],
  ['a replaced console method', 'console.log = () => {}'],
  ['JSON.stringify', 'JSON.stringify = () => "pwned"'],
  ['Promise.prototype.then', 'Promise.prototype.then = () => {}'],
  ['Date', 'Date.now = () => 1'],
  ['the prototype of async functions', 'Object.getPrototypeOf(async () => {}).leak = 1'],
  ['the prototype of array iterators', 'Object.getPrototypeOf([][Symbol.iterator]()).leak = 1'],
  ['Temporal', 'Temporal.leak = 1'],
  ['Intl', 'Intl.DateTimeFormat.prototype.leak = 1'],
  ['the context of a step', 'ctx.constructor.leak = 1'],
  ['the prototype of the context', 'Object.getPrototypeOf(ctx).leak = 1'],
  ['the prototype of ctx.http', 'Object.getPrototypeOf(ctx.http).get = 1'],
  ['the last match of RegExp', '/(secret)/.exec("secret")'],
];
const probe = `
  const found = [];
  for (const object of [globalThis, Object.prototype, Array.prototype, Math.max, console, Object.getPrototypeOf(async () => {}), Object.getPrototypeOf([][Symbol.iterator]()), Temporal, Intl.DateTimeFormat.prototype, Object.getPrototypeOf(ctx)])
    if ('leak' in object) found.push('leak');
  if (JSON.stringify({ a: 1 }) !== '{"a":1}') found.push('stringify');
  if (RegExp.$1) found.push(RegExp.$1);
  if (typeof ctx.http.get !== 'function' || typeof console.log !== 'function') found.push('method');
  if (Date.now() === 1) found.push('date');
  return found;`;

for (const [name, write] of leaks) {
  test(`one run leaves nothing for the next one through ${name}`, () => {
    const source = `if (input.first) { try { ${write}; } catch {} return 'wrote'; }\n${probe}`;
    using guest = new Guest(programOf([codeNode('only', source)]));
    assert.equal(guest.loadError, '');
    const first = guest.start({ input: { first: true } });
    assert.ok(first.kind === 'ended');
    const second = guest.start({ input: { first: false } });
    assert.deepEqual(second.kind === 'ended' && second.output, []);
  });
}

test('a run cannot reach another run that waits in the same VM', () => {
  using guest = new Guest(
    programOf([
      codeNode('only', 'const mine = input.n; await ctx.sleep(1); return [mine, input.n, ctx.execution.id];'),
    ]),
  );
  const first = guest.start({ input: { n: 1 } });
  const second = guest.start({ input: { n: 2 } });
  const endSecond = guest.deliver(second.run, 'only', 1, 'null');
  const endFirst = guest.deliver(first.run, 'only', 1, 'null');
  assert.deepEqual(endSecond.kind === 'ended' && endSecond.output, [2, 2, 'execution-id']);
  assert.deepEqual(endFirst.kind === 'ended' && endFirst.output, [1, 1, 'execution-id']);
});
