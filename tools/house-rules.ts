/** The rules of the house that neither the compiler nor the linter keeps. Each is a function from a file to what breaks it. */
import { basename, posix } from 'node:path';
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
    // Comments inside a type are erased with it.
    const before = source.text.slice(source.text.lastIndexOf('\n', match.index) + 1, match.index);
    if (/^\s*\*|\/[/*]/.test(before)) continue;
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

/**
 * Names in a file that assert when they are used: `assert` itself, functions and classes of the file that use such a name, and
 * what is imported from a module of the tests where it does. There, to throw is to assert: that is how `until(…)` fails.
 */
class AssertingNames {
  readonly #files: SourceFiles;
  readonly #exported = new Map<string, ReadonlySet<string>>();

  constructor(files: SourceFiles) {
    this.#files = files;
  }

  in(file: string, tree: SyntaxNode): Set<string> {
    return this.#namesIn(file, tree, false);
  }

  #namesIn(file: string, tree: SyntaxNode, throwingAsserts: boolean): Set<string> {
    const asserting = new Set<string>();
    const declared = new Map<string, SyntaxNode>();
    walk(tree, (node) => {
      if (node.type === 'ImportDeclaration') {
        const from = nameOf(field(node, 'source')) ?? '';
        for (const part of fields(node, 'specifiers')) {
          const local = nameOf(field(part, 'local')) ?? '';
          const imported = nameOf(field(part, 'imported')) ?? local;
          if (/^node:assert/.test(from) || this.#exportedBy(file, from).has(imported)) asserting.add(local);
        }
      }
      if (node.type === 'FunctionDeclaration' || node.type === 'ClassDeclaration') {
        declared.set(nameOf(field(node, 'id')) ?? '', node);
      }
      if (node.type === 'VariableDeclarator' && /Function|Class/.test(field(node, 'init')?.type ?? '')) {
        declared.set(nameOf(field(node, 'id')) ?? '', field(node, 'init') as SyntaxNode);
      }
    });
    // What uses an asserting name asserts: repeat until nothing new is found.
    for (let before = -1; before !== asserting.size; ) {
      before = asserting.size;
      for (const [name, node] of declared) {
        if (!asserting.has(name) && uses(node, asserting, throwingAsserts)) asserting.add(name);
      }
    }
    return asserting;
  }

  #exportedBy(importer: string, specifier: string): ReadonlySet<string> {
    const path = posix.normalize(posix.join(posix.dirname(importer), specifier));
    const text = specifier.startsWith('.') && path.startsWith('test/') ? this.#files.get(path) : undefined;
    if (text === undefined) return new Set();
    const known = this.#exported.get(path);
    if (known !== undefined) return known;
    // Modules may import each other: the second time around there is nothing yet.
    this.#exported.set(path, new Set());
    const names = this.#namesIn(path, parseSource(text).tree, true);
    this.#exported.set(path, names);
    return names;
  }
}

function uses(tree: SyntaxNode, names: ReadonlySet<string>, throwingCounts: boolean): boolean {
  let found = false;
  walk(tree, (node) => {
    if (node.type === 'Identifier' && names.has(nameOf(node) ?? '')) found = true;
    if (throwingCounts && node.type === 'ThrowStatement') found = true;
  });
  return found;
}

/** Every test asserts, itself or by a function that does. */
function checkAssertions(file: string, source: ParsedSource, assertingNames: AssertingNames): Violation[] {
  if (!isTest(file)) return [];
  const asserting = assertingNames.in(file, source.tree);
  const tests: SyntaxNode[] = [];
  walk(source.tree, (node) => {
    if (node.type !== 'CallExpression') return;
    const path = memberPath(field(node, 'callee'));
    const isSubtest = path?.length === 2 && path[0] === 't' && path[1] === 'test';
    if (path !== null && (testNames.has(path[0] as string) || isSubtest)) tests.push(node);
  });
  const found: Violation[] = [];
  if (tests.length === 0) found.push({ file, line: 1, rule: 'no-assertion', message: 'a test file without a test' });
  for (const node of tests) {
    const body = fields(node, 'arguments').find((argument) => /Function|Identifier/.test(argument.type));
    if (body === undefined || uses(body, asserting, false)) continue;
    const message = `the test "${nameOf(fields(node, 'arguments')[0] ?? null) ?? '…'}" asserts nothing: a test that cannot fail is a defect`;
    found.push({ file, line: lineAt(source.text, node.start), rule: 'no-assertion', message });
  }
  return found;
}

export function checkHouseRules(files: SourceFiles): Violation[] {
  const found: Violation[] = [];
  const assertingNames = new AssertingNames(files);
  for (const [file, text] of files) {
    found.push(...checkNames(file), ...checkMachineTies(file, text));
    // Code files of examples are bodies of functions, not modules: they are compiled by the tests of the workflow model.
    if (!file.endsWith('.ts') || file.startsWith('examples/')) continue;
    const source = parseSource(text);
    found.push(...checkEnvironment(file, source), ...checkEscapes(file, source));
    found.push(...checkSkips(file, source), ...checkAssertions(file, source, assertingNames));
  }
  return found;
}

if (import.meta.main) {
  const files = readSourceFiles(process.cwd());
  process.exitCode = reportViolations(checkHouseRules(files), `${files.size} files: the house rules are kept`);
}
