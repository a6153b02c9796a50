import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProgramNode } from '../../src/protocol/program.ts';
import { webGlobalsOf } from '../../src/workflow/web-globals.ts';

const codeNode = (source: string): ProgramNode => ({
  name: 'a',
  type: 'code',
  next: null,
  code: { source, file: null, async: true, uses: [] },
});

const uses: [source: string, globals: string[]][] = [
  ['return input.body.total;', []],
  ['const text = "URL and fetch"; // crypto', []],
  ['return input.URL + input.body.fetch;', []],
  ['return new URL(input.url).href;', ['URL']],
  ['const { URL } = prev; return typeof fetch;', ['URL', 'fetch']],
  ['return globalThis.crypto?.randomUUID();', ['crypto', 'globalThis']],
  ['return globalThis["atob"]("");', ['atob', 'globalThis']],
  ['const root = Function("return this")(); return root.structuredClone;', ['structuredClone']],
  ['return [].constructor.constructor("return btoa")();', ['btoa']],
  ['return this?.TextEncoder;', ['TextEncoder']],
  ['return (0, eval)("new Headers()");', ['Headers']],
  ['return console.log(Intl, Temporal, Math.random());', []],
];

test('a program brings the web globals that its code mentions, however it comes to them', () => {
  for (const [source, globals] of uses) assert.deepEqual(webGlobalsOf([codeNode(source)]), globals, source);
});

test('expressions and templates count, and the names of all nodes are put together', () => {
  const expression = (source: string) => ({ source, pointer: '', uses: [] });
  const nodes: ProgramNode[] = [
    {
      name: 'if',
      type: 'if',
      condition: expression('new URL(input.url).host === "URLSearchParams"'),
      // biome-ignore lint/suspicious/noThenProperty: it is the name of the field.
      then: null,
      else: null,
    },
    {
      name: 'end',
      type: 'end',
      output: {
        kind: 'object',
        entries: [['a', { kind: 'text', parts: ['crypto ', expression('btoa(prev)')] }]],
      },
    },
    codeNode('return atob(prev);'),
  ];
  assert.deepEqual(webGlobalsOf(nodes), ['URL', 'atob', 'btoa']);
});
