import type { Expression, ScopeName } from '../protocol/program.ts';
import { importMessage, parseExpression, synchronousMessage } from './javascript.ts';
import { workflowLimits } from './limits.ts';
import { didYouMean, listNames } from './names.ts';
import { notAvailable } from './not-available.ts';
import { plainGlobals } from './realm-names.ts';
import { type Mentions, mentionsOf } from './syntax-tree.ts';

export const scopeNames: readonly ScopeName[] = [
  'input',
  'nodes',
  'prev',
  'vars',
  'execution',
  'secrets',
  'error',
  'item',
  'index',
];

export const expressionExpected = 'a JavaScript expression over input, nodes, prev, vars, execution';

/** What is wrong with an expression. */
export interface ExpressionProblem {
  /** Offset in the source. */
  index: number;
  code: string;
  got: string;
  expected: string;
  message: string;
}

export type ParsedExpression =
  | { ok: true; expression: Expression; reference: string | null }
  | { ok: false; problems: ExpressionProblem[] };

/**
 * An expression without braces. `reference` is set when it is just `prev` or `nodes.NAME`, whose JSON text can pass unparsed.
 * `nodeNames` are the nodes that it may speak of; `takesSecrets` whether it may speak of secrets.
 */
export function compileExpression(
  source: string,
  pointer: string,
  nodeNames: ReadonlySet<string>,
  takesSecrets = false,
): ParsedExpression {
  if (source.length > workflowLimits.expressionSizeMax) {
    const expected = `at most ${workflowLimits.expressionSizeMax}: use a code node for more`;
    const got = `${source.length} characters`;
    return {
      ok: false,
      problems: [{ index: 0, code: 'too-large', got, expected, message: 'The expression is too long.' }],
    };
  }
  if (source.trim() === '') {
    const message = 'The expression is empty.';
    return {
      ok: false,
      problems: [{ index: 0, code: 'syntax-error', got: 'nothing', expected: expressionExpected, message }],
    };
  }
  const parsed = parseExpression(source);
  if (!parsed.ok) {
    const { index, kind, got, message } = parsed.problem;
    const code = kind === 'await' ? 'async-expression' : 'syntax-error';
    return { ok: false, problems: [{ index, code, got, expected: expressionExpected, message }] };
  }
  const mentions = mentionsOf(parsed.tree);
  const problems = findProblems(source, mentions, parsed.offset, nodeNames, takesSecrets);
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, expression: { source, pointer, uses: usedNames(mentions) }, reference: referenceOf(source) };
}

function referenceOf(source: string): string | null {
  const trimmed = source.trim();
  return trimmed === 'prev' || /^nodes\.[A-Za-z_][A-Za-z0-9_]*$/.test(trimmed) ? trimmed : null;
}

function usedNames({ variables }: Mentions): ScopeName[] {
  if (variables.has('eval') || variables.has('arguments')) return [...scopeNames];
  return scopeNames.filter((name) => variables.has(name));
}

function findProblems(
  source: string,
  mentions: Mentions,
  offset: number,
  nodeNames: ReadonlySet<string>,
  takesSecrets: boolean,
): ExpressionProblem[] {
  const problems: ExpressionProblem[] = [];
  if (mentions.asyncAt !== -1) {
    const index = mentions.asyncAt - offset;
    const got = source.startsWith('async', index) ? 'an async function' : 'await';
    problems.push({ index, code: 'async-expression', got, expected: expressionExpected, message: synchronousMessage });
  }
  if (mentions.dynamicImport !== -1) {
    const index = mentions.dynamicImport - offset;
    problems.push({
      index,
      code: 'not-available',
      got: 'import',
      expected: expressionExpected,
      message: importMessage,
    });
  }
  for (const [name, start] of mentions.variables) {
    const index = start - offset;
    if (mentions.declared.has(name) || name === 'arguments' || name === 'eval') continue;
    if (isIn(notAvailable.scopeNames, name)) {
      const message = `"${name}" is not available in this version.`;
      problems.push({ index, code: 'not-available', got: name, expected: expressionExpected, message });
    } else if (name === 'secrets' && !takesSecrets) {
      const message =
        'A secret may only stand in fields of effects that are made for it, such as "url", "headers", "auth" and "body" of http.';
      problems.push({ index, code: 'secret-not-allowed', got: name, expected: expressionExpected, message });
    } else if (!isIn(scopeNames, name) && !plainGlobals.has(name)) {
      problems.push({
        index,
        code: 'unknown-name',
        got: name,
        expected: expressionExpected,
        message: unknownName(name),
      });
    }
  }
  for (const { start, ...problem } of unknownNodes(mentions, nodeNames)) {
    problems.push({ ...problem, index: start - offset });
  }
  return problems;
}

function unknownName(name: string): string {
  if (name === 'ctx') return 'Expressions have no "ctx": use a code node for effects.';
  return `Expressions know no "${name}".${didYouMean(name, scopeNames)}`;
}

/** `nodes.NAME` for a NAME that is no node of the workflow. Offsets are those of the parsed text. */
export function unknownNodes(
  mentions: Mentions,
  nodeNames: ReadonlySet<string>,
): { start: number; code: string; got: string; expected: string; message: string }[] {
  return mentions.members
    .filter(({ object, property }) => object === 'nodes' && !nodeNames.has(property) && !(property in Object.prototype))
    .map(({ property, start }) => {
      const message = `There is no node ${JSON.stringify(property)}.${didYouMean(property, nodeNames)}`;
      const expected = `a node of this workflow: ${listNames(nodeNames)}`;
      return { start, code: 'unknown-node', got: `nodes.${property}`, expected, message };
    });
}

function isIn<T extends string>(names: readonly T[], name: string): name is T {
  return (names as readonly string[]).includes(name);
}
