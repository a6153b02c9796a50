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
    const stack = Object.getOwnPropertyDescriptor(new Error('x'), 'stack');
    const mentioned = [URL, fetch, crypto, setTimeout, structuredClone, AbortSignal, atob, TextDecoder, DOMException, Blob];
    const queue = [globalThis, stack.get, stack.set, proto(new URLSearchParams().entries()), proto(new Headers().keys()), proto(async () => {}), proto(async function* () {}), proto(function* () {}), proto([].values()), proto('a'.matchAll(/a/g)), proto(new Map().keys())];
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
    return [open, Object.isFrozen(globalThis) || !Object.isExtensible(globalThis), seen.size > 1100, mentioned.length];`;
  assert.deepEqual(evaluate(source), [[], true, true, 10]);
});

test('libraries may set the limit of stacks and the hook for call sites, and freeze Error: nobody sees it', () => {
  const source = `
    const before = [Error.stackTraceLimit, typeof Error.prepareStackTrace];
    Error.stackTraceLimit = input.limit; Error.prepareStackTrace = () => 'mine'; Object.freeze(Error);
    class Deep extends Error {}
    const depth = (n, Class) => n === 0 ? new Class('deep').stack.split('\\n').slice(0, 2).concat(new Class('x').stack.split('\\n').length) : depth(n - 1, Class);
    return [before, depth(30, Error).join(), depth(30, Deep).join(), depth(30, TypeError).join(), Object.getPrototypeOf(TypeError) === Error, new Deep().constructor === Deep];`;
  using guest = new Guest(programOf([codeNode('only', source)]));
  const limits = [1, 'x', { leak: 1 }, Infinity].map((limit) => guest.start({ input: { limit } }));
  assert.deepEqual(
    limits.map((answer) => answer.kind === 'ended' && answer.output),
    Array(4).fill([
      [20, 'undefined'],
      'Error: deep,    at depth (nflow/only:8:43),21',
      'Error: deep,    at depth (nflow/only:8:43),21',
      'TypeError: deep,    at depth (nflow/only:8:43),21',
      true,
      true,
    ]),
  );
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
