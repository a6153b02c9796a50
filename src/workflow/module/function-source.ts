import { type ArrowFunctionExpression, type FunctionExpression, type Node, type ObjectExpression, parse } from 'acorn';
import { type CompiledCode, compileCode, findCodeProblems } from '../code.ts';
import { notBundled, resolveFunctionImports } from '../imports/code-imports.ts';
import type { ModuleBundle } from '../imports/module-bundle.ts';
import { codeParameters } from '../javascript.ts';
import { LineMap } from '../line-map.ts';
import { mentionsOf } from '../syntax-tree.ts';
import { stripTypes } from '../typescript.ts';
import { freeNamesOf } from './free-names.ts';

/** The code of a node as the function that its author wrote in a module. */
export interface FunctionCode {
  /** As written, types included: an arrow function, a function, or a method of an object. */
  function: string;
  /** The module, relative to the workflow file. TypeScript when it ends with `.ts`. */
  file: string;
  /** Where the function begins in the file, 1-based: errors in it are told in lines of the file. */
  line: number;
  column: number;
  /** What it uses of the packages that its module imports. */
  imports?: FunctionImport[] | undefined;
}

export interface FunctionImport {
  from: string;
  /** What the package exports it as: `default`, a name, or `*` for all of them as one object. */
  name: string;
  /** What the function calls it. */
  as: string;
}

export const functionExpected = 'a function of (input, ctx, nodes, prev)';

/** A function can name the error of an `onError` edge as its last parameter. */
const functionParameters = [...codeParameters, 'error'] as const;

type FunctionNode = FunctionExpression | ArrowFunctionExpression;

interface ReadFunction {
  node: FunctionNode;
  /** Of a method; null for a function. */
  key: string | null;
  /** Offset of the function's text in the parsed one. */
  offset: number;
}

/**
 * Compiles a function as the body of a code node: what it is called with, and the function itself at its line and column of the
 * file. Places of problems are the file's.
 */
export function compileFunction(
  code: FunctionCode,
  nodeNames: ReadonlySet<string>,
  bundle: ModuleBundle | null,
): CompiledCode {
  const isTypeScript = code.file.endsWith('.ts');
  const read = readFunction(code.function, isTypeScript);
  if (read === null) return refuse(code, 'no function', 'The text is not one function.');
  const { node, key, offset } = read;
  if (node.generator) return refuse(code, 'a generator', 'The code of a node returns once: it cannot be a generator.');
  const before = code.line > 1 ? '\n'.repeat(code.line - 2) : '';
  const indent = code.line > 1 ? `\n${' '.repeat(code.column - 1)}` : ' '.repeat(Math.max(0, code.column - 8));
  const [open, close] = key === null ? ['return(', ')'] : ['return({', `}).${key}`];
  const uses = usedParameters(node);
  const given = functionParameters
    .slice(0, uses.lastIndexOf(true) + 1)
    .map((name, at) => (uses[at] ? name : 'undefined'));
  const source = `${before}${open}${indent}${code.function}\n${close}(${given.join()})`;
  const compiled = compileCode(source, isTypeScript ? 'typescript' : 'javascript', code.file, nodeNames);
  if (!compiled.ok) return compiled;
  const lines = new LineMap(source);
  const start = before.length + open.length + indent.length - offset;
  const problems = [...unnamedParameters(node), ...problemsOf(node, nodeNames)].map(({ start: at, ...problem }) => ({
    ...lines.placeOf(start + at),
    ...problem,
  }));
  if (problems.length > 0) return { ok: false, problems };
  const { imports, missing } = resolveFunctionImports(code.imports ?? [], code.file, bundle);
  if (missing !== null)
    return { ok: false, problems: [{ line: code.line, column: code.column, ...notBundled(missing) }] };
  return {
    ok: true,
    code: {
      ...compiled.code,
      // What imported code does is not looked at.
      async: imports.length > 0 || compiled.code.async,
      uses: functionParameters.filter((_, at) => uses[at]),
      ...(imports.length === 0 ? {} : { imports }),
    },
  };
}

function refuse({ line, column }: FunctionCode, got: string, message: string): CompiledCode {
  return { ok: false, problems: [{ line, column, code: 'bad-value', got, expected: functionExpected, message }] };
}

function readFunction(text: string, isTypeScript: boolean): ReadFunction | null {
  const asFunction = parseFunction(`(${text}\n)`, isTypeScript);
  if (asFunction?.type === 'FunctionExpression' || asFunction?.type === 'ArrowFunctionExpression') {
    return { node: asFunction as FunctionNode, key: null, offset: 1 };
  }
  const holder = parseFunction(`({${text}\n})`, isTypeScript);
  if (holder?.type !== 'ObjectExpression') return null;
  const { properties } = holder as ObjectExpression;
  const [property] = properties;
  if (properties.length !== 1 || property?.type !== 'Property') return null;
  const { method, computed, key, value } = property;
  if (!method || computed || key.type !== 'Identifier') return null;
  return { node: value as FunctionExpression, key: key.name, offset: 2 };
}

function parseFunction(text: string, isTypeScript: boolean): Node | null {
  const stripped = isTypeScript ? stripTypes(text) : { ok: true as const, source: text };
  if (!stripped.ok) return null;
  try {
    const { body } = parse(stripped.source, { ecmaVersion: 'latest', sourceType: 'module' });
    const [statement] = body;
    return body.length === 1 && statement?.type === 'ExpressionStatement' ? statement.expression : null;
  } catch {
    return null;
  }
}

/** Which of the parameters the function uses: it is called with those alone, since what is not mentioned is not even parsed. */
function usedParameters(node: FunctionNode): boolean[] {
  // Defaults and computed keys of a parameter may mention those before it.
  const parts = [node.body, ...node.params.filter(({ type }) => type !== 'Identifier')];
  const mentioned = new Set(parts.flatMap((part) => [...mentionsOf(part).variables.keys()]));
  const usesAll = (node.type === 'FunctionExpression' && mentioned.has('arguments')) || mentioned.has('eval');
  return functionParameters.map((_, index) => {
    if (usesAll) return true;
    const parameter = node.params[index] ?? node.params.find(({ type }) => type === 'RestElement');
    if (parameter === undefined) return false;
    return parameter.type !== 'Identifier' || mentioned.has(parameter.name);
  });
}

/** Mentions of `input`, `nodes` and so on that are no parameters of the function: it would see those of what surrounds it. */
function unnamedParameters(node: FunctionNode): ReturnType<typeof findCodeProblems> {
  const free = freeNamesOf(node);
  return functionParameters.flatMap((name, index) => {
    const start = free.get(name);
    if (start === undefined) return [];
    const expected = `(${functionParameters.slice(0, index + 1).join(', ')}) => …`;
    const message = `"${name}" is parameter ${index + 1} of the function: name it there.`;
    return [{ start, code: 'outside-name', got: name, expected, message }];
  });
}

/** What `nodes.NAME` and `ctx.NAME` say wrongly, whatever the function calls its parameters. */
function problemsOf(node: FunctionNode, nodeNames: ReadonlySet<string>): ReturnType<typeof findCodeProblems> {
  const mentions = mentionsOf(node.body);
  const names = new Map<string, string>();
  for (const [index, name] of functionParameters.entries()) {
    const parameter = node.params[index];
    if (parameter?.type === 'Identifier') names.set(parameter.name, name);
  }
  const free = freeNamesOf(node.body);
  const members = mentions.members.flatMap((member) => {
    const name = names.get(member.object);
    return name === undefined || !free.has(member.object) ? [] : [{ ...member, object: name }];
  });
  return findCodeProblems({ ...mentions, members, dynamicImport: -1 }, nodeNames);
}
