import type { Node } from 'acorn';
import { effectDefinitions } from '../effects/definitions.ts';
import type { Code } from '../protocol/program.ts';
import { unknownNodes } from './expression.ts';
import type { CodeProblem } from './findings.ts';
import { resolveCodeImports } from './imports/code-imports.ts';
import type { ModuleBundle } from './imports/module-bundle.ts';
import { readImports } from './imports/read-imports.ts';
import { codeParameters, importMessage, type Parsed, parseFunctionBody, type SyntaxProblem } from './javascript.ts';
import { workflowLimits } from './limits.ts';
import { LineMap, type Place } from './line-map.ts';
import { freeNamesOf, namesDeclaredBy } from './module/free-names.ts';
import { notAvailable } from './not-available.ts';
import { namesThatMayWait, plainGlobals } from './realm-names.ts';
import { type Mentions, mentionsOf } from './syntax-tree.ts';
import { stripTypes } from './typescript.ts';

const effectMembers = effectDefinitions
  .flatMap(({ member }) => (member === null ? [] : [`ctx.${member.name}`]))
  .join(', ');

/** `inline` is JavaScript, or TypeScript where it is no JavaScript. */
export type CodeLanguage = 'javascript' | 'typescript' | 'inline';

export const codeExpected = 'the body of a function of (input, ctx, nodes, prev)';

export type CompiledCode = { ok: true; code: Code } | { ok: false; problems: CodeProblem[] };

/** The code of a node: types stripped, and what it uses. Places are 1-based, in `source`. */
export function compileCode(
  source: string,
  language: CodeLanguage,
  file: string | null,
  nodeNames: ReadonlySet<string>,
  bundle: ModuleBundle | null = null,
): CompiledCode {
  if (source.length > workflowLimits.codeSizeMax) {
    const expected = `at most ${workflowLimits.codeSizeMax}`;
    const message = 'The code of a node is too large.';
    return {
      ok: false,
      problems: [{ line: 1, column: 1, code: 'too-large', got: `${source.length} characters`, expected, message }],
    };
  }
  const importing = readImports(source);
  const read = readCode(importing.body, language);
  if (!read.ok) return { ok: false, problems: [read.problem] };
  const mentions = mentionsOf(read.tree);
  const lines = new LineMap(source);
  const problems = findCodeProblems(mentions, nodeNames).map(({ start, ...problem }) => ({
    ...lines.placeOf(start - read.offset),
    ...problem,
  }));
  const declared = new Map([...namesDeclaredBy(read.tree)].map(([name, start]) => [name, start - read.offset]));
  const found = resolveCodeImports(importing, source, file, bundle, declared);
  problems.push(...found.problems);
  if (problems.length > 0) return { ok: false, problems };
  const { imports } = found;
  const usesError = mentions.variables.has('error') && meansErrorOfScope(read.tree);
  const uses = usedParameters(mentions);
  return {
    ok: true,
    code: {
      source: read.javascript,
      file,
      // What imported code does is not looked at.
      async: imports.length > 0 || mayWait(mentions, usesError),
      uses: usesError ? [...uses, 'error'] : uses,
      ...(imports.length === 0 ? {} : { imports }),
    },
  };
}

type Read =
  | { ok: true; javascript: string; tree: Extract<Parsed, { ok: true }>['tree']; offset: number }
  | { ok: false; problem: CodeProblem };

function readCode(source: string, language: CodeLanguage): Read {
  const asJavaScript = language === 'typescript' ? null : parseFunctionBody(source);
  if (asJavaScript?.ok) {
    return { ok: true, javascript: source, tree: asJavaScript.tree, offset: asJavaScript.offset };
  }
  const problem = asJavaScript?.problem ?? null;
  if (problem !== null && (language === 'javascript' || problem.kind !== 'syntax')) return refuse(source, problem);

  const stripped = stripTypes(source);
  if (!stripped.ok) {
    const { isUnsupported, ...place } = stripped.problem;
    const asInline = isUnsupported ? null : problem;
    if (asInline !== null && explainsBetter(asInline, new LineMap(source).placeOf(asInline.index), place)) {
      return refuse(source, asInline);
    }
    return { ok: false, problem: { ...place, code: 'syntax-error', expected: codeExpected } };
  }
  const parsed = parseFunctionBody(stripped.source);
  if (!parsed.ok) return refuse(source, parsed.problem);
  return { ok: true, javascript: stripped.source, tree: parsed.tree, offset: parsed.offset };
}

/** Whether the error of the text as JavaScript says more than its error as TypeScript: the one that came further does. */
function explainsBetter({ got }: SyntaxProblem, javascript: Place, typescript: Place): boolean {
  const isBrace = got === '"}"' || got === '")"';
  if (isBrace) return true;
  return (
    javascript.line > typescript.line || (javascript.line === typescript.line && javascript.column >= typescript.column)
  );
}

function refuse(source: string, { index, kind, got, message }: SyntaxProblem): Read {
  const place = new LineMap(source).placeOf(index);
  const code = kind === 'import' ? 'not-available' : 'syntax-error';
  return { ok: false, problem: { ...place, code, got, expected: codeExpected, message } };
}

type Located = Omit<CodeProblem, 'line' | 'column'> & { start: number };

/** What code says of nodes and of `ctx` that is not there; `start` is an offset in the parsed text. */
export function findCodeProblems(mentions: Mentions, nodeNames: ReadonlySet<string>): Located[] {
  const problems: Located[] = unknownNodes(mentions, nodeNames);
  if (mentions.dynamicImport !== -1) {
    const start = mentions.dynamicImport;
    problems.push({ start, code: 'not-available', got: 'import', expected: codeExpected, message: importMessage });
  }
  for (const { object, property, start } of mentions.members) {
    if (object !== 'ctx' || !(notAvailable.ctx as readonly string[]).includes(property)) continue;
    const message = `"ctx.${property}" is not available in this version.`;
    const expected = `${effectMembers}, ctx.log, ctx.now, ctx.random, ctx.uuid, ctx.execution`;
    problems.push({ start, code: 'not-available', got: `ctx.${property}`, expected, message });
  }
  return problems;
}

/**
 * False only when the code has nothing by which it could wait, make a promise or an effect. A name that is built when the code
 * runs counts, as does every global that is not known to be plain; a name that the code declares is taken for its own.
 */
function mayWait(mentions: Mentions, usesError: boolean): boolean {
  if (mentions.asyncSyntax || mentions.thisOutsideClass || mentions.buildsPropertyNames) return true;
  for (const name of mentions.properties) {
    if (namesThatMayWait.has(name)) return true;
  }
  for (const name of mentions.variables.keys()) {
    if (namesThatMayWait.has(name)) return true;
    const isGiven = (codeParameters as readonly string[]).includes(name) || (usesError && name === 'error');
    if (!mentions.declared.has(name) && !isGiven && !plainGlobals.has(name)) return true;
  }
  return false;
}

/** As a parameter it would clash with an `error` that the code declares: only code that means the scope's is given it. */
function meansErrorOfScope(body: Node): boolean {
  // As a program, the block counts what `var` declares in it too.
  return freeNamesOf({ ...body, type: 'Program' }).has('error');
}

/** Parameters that it mentions; all of them when it may read them unnamed. */
function usedParameters({ variables }: Mentions): (typeof codeParameters)[number][] {
  if (variables.has('eval') || variables.has('arguments')) return [...codeParameters];
  return codeParameters.filter((name) => variables.has(name));
}
