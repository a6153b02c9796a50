import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Code } from '../../src/protocol/program.ts';
import { compileCode } from '../../src/workflow/code.ts';

const nodeNames = new Set(['price']);

function codeOf(source: string): Code {
  const result = compileCode(source, 'inline', null, nodeNames);
  assert.ok(result.ok, JSON.stringify(result));
  return result.code;
}

const plain = [
  'return input.body.items.reduce((sum, item) => sum + item.price * item.qty, 0)',
  'const total = {}; for (const item of prev) total[item.sku] = (total[item.sku] ?? 0) + 1; return total',
  'try { return JSON.parse(prev.text) } catch (error) { return error.message }',
  'function* count() { let i = 0; while (i < 3) yield i++ } return [...count()]',
  'class Point { x = 1; move() { this.x += 1; return this } } return new Point().move().x',
  'console.log("a"); return crypto.randomUUID() + new Date().toISOString()',
  'const { a: [b = 1], ...rest } = input; return [b, rest, nodes.price]',
  'return prev.list[prev.list.length - 1] ?? prev.list[0]',
  'label: for (;;) { break label }',
  'return new Map(Object.entries(input.query)).size',
];

for (const source of plain) {
  test(`code that never waits is known as such: ${source}`, () => {
    assert.equal(codeOf(source).async, false);
  });
}

const waiting = [
  'return await prev',
  'for await (const item of prev) {}',
  'const f = async () => 1; return f()',
  'return { async m() {} }',
  'class A { static async m() {} }',
  'async function f() {}',
  'async function* f() {}',
  'await using file = prev',
  'return ctx.now()',
  'return Promise.resolve(1)',
  'return pr\\u006fmise + Pr\\u006fmise',
  'return { then(resolve) { resolve(1) } }',
  'return { "then": 1 }',
  'return prev["then"]',
  'return prev.catch()',
  'return prev.finally',
  'queueMicrotask(() => 1)',
  'setTimeout(() => 1, 5)',
  'setInterval(() => 1, 5)',
  'return fetch("http://x")',
  'return eval("1")',
  'return Function("return 1")()',
  'return arguments[1]',
  'return globalThis',
  'return this',
  'return (() => this)()',
  'return [].constructor',
  'return []["constr" + "uctor"]',
  'const { constructor } = prev',
  'const { ["con".concat("structor")]: F } = prev',
  'return Reflect.get(prev, "x")',
  'return new Proxy({}, {})',
  'return Array.fromAsync(prev)',
  'return crypto.subtle',
  'return somethingUnknown()',
  'let fetch = 1; return fetch',
  'return Object.getPrototypeOf(prev)',
  'return prev.__proto__',
];

for (const source of waiting) {
  test(`code that may wait is known as such: ${source}`, () => {
    assert.equal(codeOf(source).async, true);
  });
}

test('the parameters that code mentions are known', () => {
  assert.deepEqual(codeOf('return input.prev').uses, ['input']);
  assert.deepEqual(codeOf('return { nodes: 1, ctx: prev }').uses, ['prev']);
  assert.deepEqual(codeOf('return { nodes }').uses, ['nodes']);
  assert.deepEqual(codeOf('return inp\\u0075t').uses, ['input']);
  assert.deepEqual(codeOf('return ((x) => x)(1)').uses, []);
  assert.deepEqual(codeOf('return arguments.length').uses, ['input', 'ctx', 'nodes', 'prev']);
});

/** What is refused, with the place in the code and a word of the message. */
const refused: [source: string, line: number, column: number, word: string][] = [
  ['const a = 1;\nreturn a +;', 2, 11, ';'],
  ['return 1 }', 1, 10, '}'],
  ['if (prev) {\n  return 1', 2, 11, 'early'],
  ['}); evil(); (function () {', 1, 1, '}'],
  ['let input = 1', 1, 5, 'input'],
  ['let a; let a', 1, 12, 'a'],
  ['return 010', 1, 8, 'number'],
  ['with (prev) {}', 1, 1, 'with'],
  ['return "abc', 1, 8, 'string'],
  ['import fs from "node:fs";\nreturn fs', 1, 16, 'bundled'],
  ['const x = 1;\nexport default x', 2, 1, 'exports'],
  ['return import("node:fs")', 1, 8, 'Imports'],
  ['return import.meta.url', 1, 8, 'Imports'],
  ['const x = nodes.pric.total', 1, 17, 'price'],
  ['const x = nodes["pric"]', 1, 17, 'price'],
  ['return ctx.call("main")', 1, 12, 'call'],
];

for (const [source, line, column, word] of refused) {
  test(`code is refused at its place: ${JSON.stringify(source)}`, () => {
    const result = compileCode(source, 'inline', null, nodeNames);
    assert.equal(result.ok, false);
    const problem = result.ok ? null : result.problems[0];
    assert.deepEqual({ line: problem?.line, column: problem?.column }, { line, column }, JSON.stringify(problem));
    assert.ok(problem?.message.includes(word), problem?.message ?? 'no problem');
  });
}

test('a variable of the code named nodes is not the nodes of the workflow', () => {
  assert.equal(codeOf('return prev.map((nodes) => nodes.anything)').async, false);
});

test('code of any depth is compiled or refused, never thrown at', () => {
  const result = compileCode(`return ${'['.repeat(50_000)}${']'.repeat(50_000)}`, 'javascript', null, nodeNames);
  assert.equal(result.ok, false);
  assert.match(result.ok ? '' : (result.problems[0]?.message ?? ''), /deeply/);
});

test('only code that means the error of an onError edge is given it', () => {
  const given = ['return error.message', 'if (prev) { const error = 1; } return error?.code ?? null'];
  for (const source of given)
    assert.deepEqual([codeOf(source).uses.includes('error'), codeOf(source).async], [true, false]);
  const own = [
    'try { return 1 } catch (error) { return error.message }',
    'const error = 1; return error',
    'if (prev) { var error = 1; } return error',
    'return prev.map((error) => error.code)',
    'return { error: 1 }.error',
  ];
  for (const source of own) assert.equal(codeOf(source).uses.includes('error'), false, source);
});
