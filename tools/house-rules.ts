/** The rules of the house that neither the compiler nor the linter keeps. Each is a function from a file to what breaks it. */
import { basename } from 'node:path';
import {
  field,
  fields,
  memberPath,
  nameOf,
  type ParsedSource,
  parseSource,
  type SyntaxNode,
  walk,
} from './parsed-source.ts';
import { lineAt, readSourceFiles, type SourceFiles } from './source-files.ts';
import { reportViolations, type Violation } from './violation.ts';

/** Shorter than this, a reason says nothing ("because", "see above"). */
const reasonLengthMin = 12;

const isTest = (path: string): boolean => /^test\/.*\.test\.ts$/.test(path);

/** Names that say where a thing is kept, not what it is. */
const emptyNames = /^(?:utils?|helpers?|common|lib|libs|misc|shared|stuff)$/;

function checkNames(file: string): Violation[] {
  if (!/^(?:src|test|tools)\//.test(file)) return [];
  const parts = file.split('/');
  const stem = (parts.at(-1) as string).replace(/\.[^.]+$/, '');
  const found: Violation[] = [];
  for (const part of [...parts.slice(1, -1), ...stem.split('.')]) {
    if (emptyNames.test(part)) {
      found.push({
        file,
        line: 1,
        rule: 'empty-name',
        message: `"${part}" names no idea: name the file for the one concept it holds`,
      });
    }
  }
  if (file.endsWith('.ts') && !/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9-]+)*$/.test(stem)) {
    found.push({ file, line: 1, rule: 'file-name', message: `got "${basename(file)}"; file names are kebab-case` });
  }
  return found;
}

/**
 * Text that ties the repository to one machine. The patterns are put together from pieces, or this file would break its own rule.
 */
const machineTies: [pattern: RegExp, what: string][] = [
  [
    new RegExp(`(?<![\\w.~}/-])/(?:${['home', 'Users', 'root', 'work'].join('|')})/[\\w.-]+`, 'g'),
    'a path of one machine',
  ],
  [
    new RegExp(
      `\\b(?:${['registry', 'npm', 'pypi', 'proxy', 'mirror'].join('|')})s?\\.[\\w-]+(?:\\.[\\w-]+)*\\.(?:com|org|net|io|dev|internal|local)\\b`,
      'gi',
    ),
    'a registry host',
  ],
];

function checkMachineTies(file: string, text: string): Violation[] {
  const found: Violation[] = [];
  for (const [pattern, what] of machineTies) {
    for (const match of text.matchAll(pattern)) {
      const message = `${what}: ${match[0]}; use a relative path, a temporary folder or a setting`;
      found.push({ file, line: lineAt(text, match.index), rule: 'machine-tie', message });
    }
  }
  return found;
}

/** Only `config` reads the environment: every setting is then listed, checked and documented in one place. */
function checkEnvironment(file: string, source: ParsedSource): Violation[] {
  if (!file.startsWith('src/') || file.startsWith('src/config/')) return [];
  const found: Violation[] = [];
  const report = (node: SyntaxNode): void => {
    found.push({
      file,
      line: lineAt(source.text, node.start),
      rule: 'environment',
      message: 'only src/config reads the environment: add a key there and take the value from the configuration',
    });
  };
  walk(source.tree, (node) => {
    if (node.type === 'MemberExpression' && memberPath(node)?.slice(-2).join('.') === 'process.env') report(node);
    // const { env } = process
    if (node.type === 'VariableDeclarator' && nameOf(field(node, 'init')) === 'process') {
      for (const property of fields(field(node, 'id') ?? node, 'properties'))
        if (nameOf(field(property, 'key')) === 'env') report(property);
    }
    if (node.type === 'ImportDeclaration' && /^(?:node:)?process$/.test(nameOf(field(node, 'source')) ?? '')) {
      for (const part of fields(node, 'specifiers')) if (nameOf(field(part, 'imported')) === 'env') report(part);
    }
  });
  return found;
}

/** The comment on the line, or the block of comments that ends on the line before. */
function reasonBeside(source: ParsedSource, line: number): string {
  const lines = source.text.split('\n');
  let reason = '';
  let at = line;
  while (at > 1 && /^\s*(?:\/\/|\*|\/\*)/.test(lines[at - 2] ?? '')) at--;
  for (const comment of source.comments) if (comment.line >= at && comment.line <= line) reason += ` ${comment.text}`;
  return reason.replace(/[*\s]+/g, ' ').trim();
}

/** A way around the compiler or the linter needs a reason that a reader can check. */
function checkEscapes(file: string, source: ParsedSource): Violation[] {
  const found: Violation[] = [];
  for (const comment of source.comments) {
    const match =
      /@ts-(?:ignore|expect-error|nocheck)|biome-ignore(?:-all|-start)?\s+[\w/]+|c8 ignore|node:coverage/.exec(
        comment.text,
      );
    if (match === null) continue;
    const reason = comment.text.slice(match.index + match[0].length).replace(/^[\s:–-]+/, '');
    if (reason.trim().length >= reasonLengthMin) continue;
    found.push({ file, line: comment.line, rule: 'escape-reason', message: `${match[0]} without a reason after it` });
  }
  // A type is what stripping erased: `any` there is the type, everywhere else it is a word.
  for (const match of source.text.matchAll(/\bany\b/g)) {
    if (source.stripped.slice(match.index, match.index + 3).trim() !== '') continue;
    const line = lineAt(source.text, match.index);
    if (reasonBeside(source, line).length >= reasonLengthMin) continue;
    const message =
      'the type any without a reason beside it: use unknown and narrow it, or say in a comment why it cannot be typed';
    found.push({ file, line, rule: 'any-reason', message });
  }
  return found;
}

const testNames = new Set(['test', 'it']);
const suiteNames = new Set(['describe', 'suite', ...testNames]);

/** Whether an option such as `skip` says why: a text, or an expression that gives one. */
function givesReason(value: SyntaxNode): boolean {
  let found = false;
  walk(value, (node) => {
    const text = node.type === 'TemplateLiteral' ? source(node) : nameOf(node);
    if (node.type !== 'Identifier' && text !== null && text.trim().length >= reasonLengthMin) found = true;
    // A constant of this name holds the reason: `skip: noNamespaces` is judged where it is made.
    if (node.type === 'Identifier' && /reason|why|missing|unsupported/i.test(nameOf(node) ?? '')) found = true;
  });
  return found;
}

function source(template: SyntaxNode): string {
  return fields(template, 'quasis')
    .map((part) => String((part as unknown as { value: { raw: string } }).value.raw))
    .join(' ');
}

function checkSkips(file: string, source: ParsedSource): Violation[] {
  if (!isTest(file)) return [];
  const found: Violation[] = [];
  const report = (node: SyntaxNode, message: string): void => {
    found.push({ file, line: lineAt(source.text, node.start), rule: 'skipped-test', message });
  };
  walk(source.tree, (node) => {
    if (node.type !== 'CallExpression') return;
    const path = memberPath(field(node, 'callee'));
    if (path === null) return;
    const last = path.at(-1) as string;
    const args = fields(node, 'arguments');
    if (path.length === 2 && suiteNames.has(path[0] as string) && last === 'only')
      report(node, '.only leaves out every other test');
    if (path.length === 2 && (last === 'skip' || last === 'todo')) {
      // test.skip(name, …) has no place for a reason; t.skip(reason) has.
      const reason = suiteNames.has(path[0] as string) ? null : (args[0] ?? null);
      if (reason === null || !givesReason(reason)) {
        report(node, `.${last} without a reason: write { skip: 'why, and when it runs again' } or t.skip('why')`);
      }
    }
    if (!suiteNames.has(path[0] as string)) return;
    for (const argument of args) {
      if (argument.type !== 'ObjectExpression') continue;
      for (const property of fields(argument, 'properties')) {
        const key = nameOf(field(property, 'key'));
        const value = field(property, 'value');
        if (key === 'only') report(property, 'only leaves out every other test');
        if ((key === 'skip' || key === 'todo') && value !== null && !givesReason(value)) {
          report(property, `${key} without a reason: give the text of why, or an expression that gives it`);
        }
      }
    }
  });
  return found;
}

/** Every test asserts: itself, or by a function of the file (or an imported one that says so in its name) that does. */
function checkAssertions(file: string, source: ParsedSource): Violation[] {
  if (!isTest(file)) return [];
  const asserting = new Set(['assert', 'expect']);
  const saysSo = /^(?:assert|expect|check|verify)/;
  const functions = new Map<string, SyntaxNode>();
  const tests: SyntaxNode[] = [];
  walk(source.tree, (node) => {
    if (node.type === 'ImportDeclaration') {
      for (const part of fields(node, 'specifiers')) {
        const local = nameOf(field(part, 'local')) ?? '';
        const from = nameOf(field(node, 'source')) ?? '';
        if (/^node:assert/.test(from) || saysSo.test(local)) asserting.add(local);
      }
    }
    if (node.type === 'FunctionDeclaration') functions.set(nameOf(field(node, 'id')) ?? '', node);
    if (node.type === 'VariableDeclarator' && /Function/.test(field(node, 'init')?.type ?? '')) {
      functions.set(nameOf(field(node, 'id')) ?? '', field(node, 'init') as SyntaxNode);
    }
    if (node.type === 'CallExpression') {
      const path = memberPath(field(node, 'callee'));
      if (
        path !== null &&
        (testNames.has(path[0] as string) || (path.length === 2 && path[0] === 't' && path[1] === 'test'))
      ) {
        tests.push(node);
      }
    }
  });
  const asserts = (node: SyntaxNode): boolean => {
    let found = false;
    walk(node, (inner) => {
      if (inner.type === 'Identifier' && asserting.has(nameOf(inner) ?? '')) found = true;
    });
    return found;
  };
  // A function that calls an asserting one asserts: repeat until nothing new is found.
  for (let before = -1; before !== asserting.size; ) {
    before = asserting.size;
    for (const [name, node] of functions) if (!asserting.has(name) && asserts(node)) asserting.add(name);
  }
  const found: Violation[] = [];
  if (tests.length === 0) found.push({ file, line: 1, rule: 'no-assertion', message: 'a test file without a test' });
  for (const node of tests) {
    const body = fields(node, 'arguments').find((argument) => /Function|Identifier/.test(argument.type));
    if (body === undefined || asserts(node)) continue;
    const message = `the test "${nameOf(fields(node, 'arguments')[0] ?? null) ?? '…'}" asserts nothing: a test that cannot fail is a defect`;
    found.push({ file, line: lineAt(source.text, node.start), rule: 'no-assertion', message });
  }
  return found;
}

export function checkHouseRules(files: SourceFiles): Violation[] {
  const found: Violation[] = [];
  for (const [file, text] of files) {
    found.push(...checkNames(file), ...checkMachineTies(file, text));
    // Code files of examples are bodies of functions, not modules: they are compiled by the tests of the workflow model.
    if (!file.endsWith('.ts') || file.startsWith('examples/')) continue;
    const source = parseSource(text);
    found.push(...checkEnvironment(file, source), ...checkEscapes(file, source));
    found.push(...checkSkips(file, source), ...checkAssertions(file, source));
  }
  return found;
}

if (import.meta.main) {
  const files = readSourceFiles(process.cwd());
  process.exitCode = reportViolations(checkHouseRules(files), `${files.size} files: the house rules are kept`);
}
