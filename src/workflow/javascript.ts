import { type Node, type Options, parse } from 'acorn';

/**
 * Parses the user's JavaScript in the form in which the guest compiles it: an expression inside parentheses, a body as that of a
 * strict function of `input, ctx, nodes, prev`. A text that would close its wrapper is an error.
 */
export type Parsed =
  | {
      ok: true;
      tree: Node /** Of the source in the parsed text: what the tree's offsets are too large by. */;
      offset: number;
    }
  | { ok: false; problem: SyntaxProblem };

export interface SyntaxProblem {
  /** Offset in the source, in UTF-16 code units. */
  index: number;
  kind: 'syntax' | 'import' | 'await' | 'too-deep';
  got: string;
  message: string;
}

const strict = '"use strict";';
const plain: Options = { ecmaVersion: 'latest', sourceType: 'script', preserveParens: true, allowHashBang: false };
const insideFunction: Options = { ...plain, allowReturnOutsideFunction: true, allowAwaitOutsideFunction: true };

export const codeParameters = ['input', 'ctx', 'nodes', 'prev'] as const;
export const synchronousMessage =
  'Expressions are synchronous: wait for something in a code node, and use its output here.';
const theEnd = 'the end';
export const endsEarlyMessage = 'It ends too early: something is missing or not closed.';
export const tooDeepGot = 'too many nested brackets or operators';
export const tooDeepMessage = 'It is nested too deeply to be compiled. Split it up.';
export const importMessage =
  'Imports stand at the top of the code, as import … from "package", and there are no exports: below, it is the body of one function, which ends with "return".';

export function parseExpression(source: string): Parsed {
  const prefix = `${strict}(`;
  const text = `${prefix}${source}\n)`;
  try {
    const { body } = parse(text, plain);
    const statement = body[1];
    if (body.length === 2 && statement?.type === 'ExpressionStatement') {
      const outer = statement.expression;
      if (outer.type === 'ParenthesizedExpression' && outer.start === strict.length && outer.end === text.length) {
        return { ok: true, tree: outer.expression, offset: prefix.length };
      }
    }
    return { ok: false, problem: closesWrapper(source) };
  } catch (error) {
    return { ok: false, problem: waits(source) ?? problemOf(error, source, prefix.length) };
  }
}

export function parseFunctionBody(source: string): Parsed {
  const prefix = `(async function(${codeParameters.join()}){${strict}`;
  const text = `${prefix}${source}\n})`;
  let problem: SyntaxProblem;
  try {
    const { body } = parse(text, plain);
    const statement = body[0];
    if (body.length === 1 && statement?.type === 'ExpressionStatement') {
      const outer = statement.expression;
      if (outer.type === 'ParenthesizedExpression' && outer.end === text.length) {
        const inner = outer.expression;
        if (inner.type === 'FunctionExpression' && inner.end === text.length - 1) {
          return { ok: true, tree: inner.body, offset: prefix.length };
        }
      }
    }
    problem = closesWrapper(source);
  } catch (error) {
    problem = problemOf(error, source, prefix.length);
  }
  // A brace too many ends the wrapper and is noticed after it: without the wrapper, the parser stops at the brace itself.
  try {
    parse(strict + source, insideFunction);
  } catch (error) {
    problem = problemOf(error, source, strict.length);
  }
  return { ok: false, problem };
}

/** The problem, when the source would be an expression if it could wait. */
function waits(source: string): SyntaxProblem | null {
  const index = source.search(/\bawait\b/);
  if (index === -1) return null;
  try {
    parse(`async()=>(${source}\n)`, plain);
    return { index, kind: 'await', got: 'await', message: synchronousMessage };
  } catch {
    return null;
  }
}

function closesWrapper(source: string): SyntaxProblem {
  const index = Math.max(0, source.search(/[)}]/));
  return { index, kind: 'syntax', got: symbolAt(source, index), message: 'A bracket is closed that was not opened.' };
}

export function problemOf(error: unknown, source: string, offset: number): SyntaxProblem {
  // The parser reports most overflows of its stack itself.
  if (error instanceof RangeError || (error instanceof SyntaxError && error.message.startsWith('Not enough stack'))) {
    return { index: 0, kind: 'too-deep', got: tooDeepGot, message: tooDeepMessage };
  }
  if (!(error instanceof SyntaxError) || !('pos' in error) || typeof error.pos !== 'number') throw error;
  const index = Math.min(Math.max(error.pos - offset, 0), source.length);
  const got = symbolAt(source, index);
  const said = error.message.replace(/ \(\d+:\d+\)$/, '');
  if (said.includes("'import'") || said.includes('import.meta'))
    return { index, kind: 'import', got, message: importMessage };
  if (said !== 'Unexpected token') return { index, kind: 'syntax', got, message: `${said}.` };
  return { index, kind: 'syntax', got, message: got === theEnd ? endsEarlyMessage : `Unexpected ${got}.` };
}

/** The word or character that stands there. */
export function symbolAt(source: string, index: number): string {
  const match = /^\s*([\p{L}\p{N}_$]+|[^\s])/u.exec(source.slice(index, index + 200));
  return match?.[1] === undefined ? theEnd : JSON.stringify(match[1]).slice(0, 42);
}
