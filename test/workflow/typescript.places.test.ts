import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compileCode } from '../../src/workflow/code.ts';
import { readMarks } from './marked-text.ts';

const typescript = `// Günther's 日本 😀
interface Item { price: number; label?: '日本' }
const items: Item[] = input.body.items as Item[];
let total = <number>0;
`.replace('<number>0', '0 as number');

test('types are replaced by blanks: every other character keeps its line and column', () => {
  const source = `${typescript}return items.reduce((sum: number, { price }: Item): number => sum + price, total);`;
  const result = compileCode(source, 'typescript', './a.ts', new Set());
  assert.ok(result.ok, JSON.stringify(result));
  assert.equal(result.code.source.length, source.length);
  for (const [index, character] of [...result.code.source].entries()) {
    if (character.trim() !== '') assert.equal([...source][index], character);
  }
  assert.equal(result.code.async, false);
  assert.equal(new Function('input', result.code.source)({ body: { items: [{ price: 2 }, { price: 3 }] } }), 5);
});

test('return and await work at the top level, and lines stay the same', () => {
  const source = 'const wait: Promise<number> =\n  Promise.resolve(1);\nreturn (await wait) as number;';
  const result = compileCode(source, 'typescript', './a.ts', new Set());
  assert.ok(result.ok, JSON.stringify(result));
  assert.equal(result.code.source.split('\n').length, 3);
  assert.equal(result.code.async, true);
});

/** A ⟦ stands where the mistake is. */
const mistakes: [marked: string, word: string][] = [
  ['let x: ⟦= 3;', '='],
  ['const 日本: string = "😀"; let x: ⟦= 3;', '='],
  ['const a: number = 1;\n  const b: string = ⟦;', 'Expression'],
  ['⟦enum Color { Red }', 'enum'],
  ['⟦namespace A { export const b = 1 }', 'namespace'],
  ['class A { constructor(public ⟦a: number) {} }', 'parameter property'],
  ['const a = ⟦<string>prev;', 'as'],
  ['const a: number = 1;\nlet ⟦input: number = 2', 'input'],
  ['const a: number = nodes.⟦pric', 'price'],
  ['const é: string = "";\n⟦import { a } from "./a.ts"', 'Imports'],
  ['const a: number = (1⟦', 'early'],
];

for (const [marked, word] of mistakes) {
  for (const language of ['typescript', 'inline'] as const) {
    test(`a mistake in TypeScript has its place (${language}): ${JSON.stringify(marked)}`, () => {
      const { text, places } = readMarks(marked);
      const result = compileCode(text, language, null, new Set(['price']));
      assert.equal(result.ok, false);
      const problem = result.ok ? null : result.problems[0];
      assert.deepEqual({ line: problem?.line, column: problem?.column }, places[0], JSON.stringify(problem));
      assert.ok(problem?.message.includes(word), problem?.message ?? 'no problem');
    });
  }
}

test('inline code that is JavaScript is not read as TypeScript', () => {
  // As TypeScript, this would be a call with a type argument.
  const result = compileCode('const f = 1, a = 2, b = 3; return f<a>(b)', 'inline', null, new Set());
  assert.ok(result.ok, JSON.stringify(result));
  assert.match(result.code.source, /f<a>\(b\)/);
});

test('a process that compiles JavaScript only does not load the TypeScript parser', () => {
  const code = fileURLToPath(new URL('../../src/workflow/code.ts', import.meta.url));
  const script = `
    import { createRequire } from 'node:module';
    const { compileCode } = await import(${JSON.stringify(code)});
    const isLoaded = () => Object.keys(createRequire(${JSON.stringify(code)}).cache).some((path) => path.includes('amaro'));
    compileCode('return 1', 'inline', null, new Set());
    const before = isLoaded();
    compileCode('return 1 as number', 'inline', null, new Set());
    console.log(JSON.stringify([before, isLoaded()]));
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(stdout.trim(), '[false,true]', stderr);
});

test('code that overflows the TypeScript parser is refused, and the parser goes on working', () => {
  const deep = compileCode(`const a: number = ${'-'.repeat(20_000)}1`, 'typescript', './a.ts', new Set());
  assert.equal(deep.ok, false);
  assert.match(deep.ok ? '' : (deep.problems[0]?.message ?? ''), /deeply/);
  assert.ok(compileCode('return 1 as number', 'typescript', './a.ts', new Set()).ok);
});
