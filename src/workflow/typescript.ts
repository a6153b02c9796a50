import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { codeParameters, endsEarlyMessage, importMessage, symbolAt, tooDeepGot, tooDeepMessage } from './javascript.ts';
import { LineMap } from './line-map.ts';

/** What is wrong with TypeScript code; 1-based, in the code. */
export interface TypeScriptProblem {
  line: number;
  column: number;
  /** True when it is valid TypeScript that does more than name types, so that it cannot be stripped. */
  isUnsupported: boolean;
  got: string;
  message: string;
}

export type Stripped = { ok: true; source: string } | { ok: false; problem: TypeScriptProblem };

type Amaro = typeof import('amaro');

let amaro: Amaro | null = null;
const require = createRequire(import.meta.url);

/** Its parser is 4 MB of WebAssembly and takes about 150 ms to load: only a process that meets TypeScript pays for that. */
function loadAmaro(): Amaro {
  amaro ??= require('amaro') as Amaro;
  return amaro;
}

/** After an overflow of its stack the parser fails at everything: the next use loads it anew. */
function dropAmaro(): void {
  amaro = null;
  for (const path of Object.keys(require.cache)) {
    if (path.startsWith(dirname(require.resolve('amaro')))) delete require.cache[path];
  }
}

/** What a text is parsed as. */
interface Form {
  prefix: string;
  suffix: string;
}

const forms = {
  /** A body is parsed as one, so that it may return and wait; on its first line, so that lines stay the author's. */
  body: { prefix: `async function code(${codeParameters.join()}) {`, suffix: '\n}' },
  module: { prefix: '', suffix: '' },
} as const satisfies Record<string, Form>;

/** Replaces the types in the body of a function, or in a module, by blanks: every other character keeps its line and column. */
export function stripTypes(source: string, form: keyof typeof forms = 'body'): Stripped {
  const attempt = strip(source, forms[form]);
  if (attempt.ok) return attempt;
  // The parser counts columns in its own way past the ASCII characters: with letters in their place they are the author's.
  const ascii = source.replace(/[^\0-\x7f\u2028\u2029\ufeff\p{Zs}]/gu, (character) => 'x'.repeat(character.length));
  const located = ascii === source ? attempt : strip(ascii, forms[form]);
  return { ok: false, problem: explain(located.ok ? attempt.error : located.error, source, forms[form]) };
}

type Strip = { ok: true; source: string } | { ok: false; error: unknown };

function strip(source: string, { prefix, suffix }: Form): Strip {
  try {
    const { code } = loadAmaro().transformSync(prefix + source + suffix, { mode: 'strip-only' });
    // Blanks take the place of types one for one: the wrapper is where it was.
    return { ok: true, source: code.slice(prefix.length, code.length - suffix.length) };
  } catch (error) {
    if (!isParserError(error)) dropAmaro();
    return { ok: false, error };
  }
}

function explain(error: unknown, source: string, { prefix }: Form): TypeScriptProblem {
  if (!isParserError(error)) {
    return { line: 1, column: 1, isUnsupported: false, got: tooDeepGot, message: tooDeepMessage };
  }
  const isUnsupported = error.code === 'UnsupportedSyntax';
  const lines = new LineMap(source);
  const last = lines.placeOf(source.length);
  const isFirst = error.startLine === 1;
  const line = Math.min(error.startLine, last.line);
  const lineText = lines.line(line);
  const column = Math.min(Math.max(error.startColumn - (isFirst ? prefix.length : 0), 0), lineText.length);
  const isPastEnd = error.startLine > last.line;
  if (isPastEnd) {
    const isClosed = error.message === 'Expression expected';
    const message = isClosed ? 'A brace is closed that was not opened.' : endsEarlyMessage;
    return { line, column: lineText.length + 1, isUnsupported, got: 'the end', message };
  }
  return { line, column: column + 1, isUnsupported, got: symbolAt(lineText, column), message: messageOf(error) };
}

function messageOf({ code, message }: ParserError): string {
  if (message.includes("'import'")) return importMessage;
  // It lists every token that could follow: what was got says enough.
  const text = message.replace(/`\. Expected [\s\S]*$/, '`').replaceAll('`', '"');
  if (code === 'UnsupportedSyntax') return `${text.replace(/\.$/, '')}: only types that can be removed are supported.`;
  return text.endsWith('.') ? text : `${text}.`;
}

interface ParserError {
  code: 'InvalidSyntax' | 'UnsupportedSyntax';
  message: string;
  /** 1-based. */
  startLine: number;
  /** 0-based. */
  startColumn: number;
}

/** The parser throws plain objects. */
function isParserError(error: unknown): error is ParserError {
  if (typeof error !== 'object' || error === null) return false;
  const { code, startLine, startColumn } = error as Partial<Record<keyof ParserError, unknown>>;
  const isKnown = code === 'InvalidSyntax' || code === 'UnsupportedSyntax';
  return isKnown && typeof startLine === 'number' && typeof startColumn === 'number';
}
