import { createScanner, type Node, type ParseErrorCode, parseTree, printParseErrorCode } from 'jsonc-parser';
import { workflowLimits } from './limits.ts';
import { LineMap, type Place } from './line-map.ts';
import { childPointer } from './pointer.ts';

/** A JSON value. Objects have no prototype, so that no key of a file means more than itself. */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue;
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function jsonTypeOf(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** Where a value stands. */
export interface Span {
  /** Offset of the key, for a property; else of the value. */
  key: number;
  value: number;
}

/** A value that knows where each part of it stands in the text that it comes from: JSON, or the module that exports it. */
export class JsonDocument {
  readonly text: string;
  readonly value: JsonValue;
  readonly lines: LineMap;
  readonly #spans: ReadonlyMap<string, Span>;

  constructor(text: string, value: JsonValue, spans: ReadonlyMap<string, Span>, lines: LineMap) {
    this.text = text;
    this.value = value;
    this.lines = lines;
    this.#spans = spans;
  }

  /** The same text, read as another value: one that leaves out parts of it. */
  withValue(value: JsonValue): JsonDocument {
    return new JsonDocument(this.text, value, this.#spans, this.lines);
  }

  /** Where a value begins; for a pointer that is not there, where its nearest holder begins. */
  placeOfValue(pointer: string): Place {
    return this.lines.placeOf(this.#span(pointer).value);
  }

  placeOfKey(pointer: string): Place {
    return this.lines.placeOf(this.#span(pointer).key);
  }

  /** Where the code unit `index` of a string value stands, whatever escapes come before it. */
  placeInString(pointer: string, index: number): Place {
    const start = this.#span(pointer).value;
    const quote = this.text[start] ?? '';
    if (quote === '' || !`"'\``.includes(quote)) return this.lines.placeOf(start);
    let offset = start + 1;
    for (let i = 0; i < index && this.text[offset] !== quote; i++) {
      if (this.text[offset] !== '\\') offset += 1;
      else offset += this.text[offset + 1] === 'u' ? 6 : 2;
    }
    return this.lines.placeOf(offset);
  }

  #span(pointer: string): Span {
    for (let at = pointer; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
      const span = this.#spans.get(at);
      if (span !== undefined) return span;
      if (at === '') return { key: 0, value: 0 };
    }
  }
}

/** What is wrong with a text as JSON. */
export interface JsonProblem extends Place {
  code: 'bad-json' | 'duplicate-key' | 'reserved-key' | 'too-deep' | 'too-large';
  pointer: string;
  got: string;
  expected: string;
  message: string;
}

/**
 * Parses JSON with comments and trailing commas. All problems are reported; with any that makes the value doubtful, `document`
 * is null. A duplicate key does not: the first one counts, so that the rest of the file can still be checked.
 */
export function parseJsonDocument(text: string): { document: JsonDocument | null; problems: JsonProblem[] } {
  const lines = new LineMap(text);
  const refused = refuseSize(text, lines);
  if (refused !== null) return { document: null, problems: [refused] };

  const errors: { error: ParseErrorCode; offset: number; length: number }[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  const problems = firstOfEachLine(errors, lines).map(({ error, offset, length }): JsonProblem => {
    const [problem, expected] = explainSyntax(printParseErrorCode(error));
    const got = text.slice(offset, offset + Math.max(length, 1)).trim();
    return {
      code: 'bad-json',
      ...lines.placeOf(offset),
      pointer: '',
      got: got === '' ? 'the end of the file or line' : got.slice(0, 60),
      expected,
      message: `The file is not valid JSON here: ${problem}.`,
    };
  });
  if (root === undefined || problems.length > 0) {
    if (problems.length === 0) throw new Error('the JSON parser gave neither a value nor an error');
    return { document: null, problems };
  }

  const spans = new Map<string, Span>();
  const value = readValue(root, '', root.offset, { spans, problems, lines });
  return { document: new JsonDocument(text, value, spans, lines), problems };
}

/** One mistake makes the parser stumble over what comes next to it: only the first error of a line says something. */
function firstOfEachLine<E extends { offset: number }>(errors: readonly E[], lines: LineMap): E[] {
  const seen = new Set<number>();
  return errors.filter(({ offset }) => {
    const { line } = lines.placeOf(offset);
    return !seen.has(line) && seen.add(line);
  });
}

interface Reading {
  spans: Map<string, Span>;
  problems: JsonProblem[];
  lines: LineMap;
}

/** The parser recurses, so depth is counted by tokens first. */
function refuseSize(text: string, lines: LineMap): JsonProblem | null {
  if (text.length > workflowLimits.textSizeMax) {
    return {
      code: 'too-large',
      line: 1,
      column: 1,
      pointer: '',
      got: `${text.length} characters`,
      expected: `at most ${workflowLimits.textSizeMax}`,
      message: 'The workflow file is too large.',
    };
  }
  const scanner = createScanner(text, true);
  let depth = 0;
  for (let token = scanner.scan(); token !== syntaxKind.end; token = scanner.scan()) {
    if (token === syntaxKind.openBrace || token === syntaxKind.openBracket) depth += 1;
    else if (token === syntaxKind.closeBrace || token === syntaxKind.closeBracket) depth -= 1;
    if (depth > workflowLimits.depthMax) {
      return {
        code: 'too-deep',
        ...lines.placeOf(scanner.getTokenOffset()),
        pointer: '',
        got: `more than ${workflowLimits.depthMax} levels`,
        expected: `at most ${workflowLimits.depthMax} levels of objects and arrays`,
        message: 'The workflow file is nested too deeply.',
      };
    }
  }
  return null;
}

/** Of jsonc-parser's `SyntaxKind`, a `const enum` that erasable TypeScript cannot import. */
const syntaxKind = { openBrace: 1, closeBrace: 2, openBracket: 3, closeBracket: 4, end: 17 };

function readValue(node: Node, pointer: string, keyOffset: number, reading: Reading): JsonValue {
  reading.spans.set(pointer, { key: keyOffset, value: node.offset });
  switch (node.type) {
    case 'object':
      return readObject(node, pointer, reading);
    case 'array':
      return (node.children ?? []).map((item, index) =>
        readValue(item, childPointer(pointer, index), item.offset, reading),
      );
    default:
      return node.value as JsonValue;
  }
}

function readObject(node: Node, pointer: string, reading: Reading): JsonObject {
  const object: JsonObject = Object.create(null);
  for (const property of node.children ?? []) {
    const [keyNode, valueNode] = property.children ?? [];
    if (keyNode === undefined || valueNode === undefined) continue;
    const key = String(keyNode.value);
    const child = childPointer(pointer, key);
    const place = reading.lines.placeOf(keyNode.offset);
    const got = JSON.stringify(key);
    if (Object.hasOwn(object, key)) {
      const first = reading.lines.placeOf((reading.spans.get(child) as Span).key);
      const message = `The key ${got} is there twice: first in line ${first.line}. Remove or rename one.`;
      reading.problems.push({
        code: 'duplicate-key',
        ...place,
        pointer: child,
        got,
        expected: 'each key once',
        message,
      });
    } else if (key === '__proto__' && pointer !== '/nodes') {
      const message = 'The key "__proto__" is not allowed: it means the prototype in JavaScript. Choose another name.';
      reading.problems.push({ code: 'reserved-key', ...place, pointer: child, got, expected: 'another name', message });
    } else {
      object[key] = readValue(valueNode, child, keyNode.offset, reading);
    }
  }
  return object;
}

function explainSyntax(error: string): [problem: string, expected: string] {
  switch (error) {
    case 'PropertyNameExpected':
      return ['a key is missing', 'a key in double quotes'];
    case 'ValueExpected':
      return ['a value is missing', 'a string, number, object, array, true, false or null'];
    case 'ColonExpected':
      return ['a colon is missing after the key', '":"'];
    case 'CommaExpected':
      return ['a comma is missing', '","'];
    case 'CloseBraceExpected':
      return ['an object is not closed', '"}"'];
    case 'CloseBracketExpected':
      return ['an array is not closed', '"]"'];
    case 'EndOfFileExpected':
      return ['there is more after the end of the value', 'the end of the file'];
    case 'UnexpectedEndOfComment':
      return ['a comment is not closed', '"*/"'];
    case 'UnexpectedEndOfString':
      return ['a string is not closed on its line', "'\"', and \\n for a line break inside"];
    case 'InvalidUnicode':
      return ['an escape \\u without four hex digits', '\\u and four hex digits'];
    case 'InvalidEscapeCharacter':
      return ['an unknown escape in a string', '\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\uXXXX'];
    case 'InvalidCharacter':
      return ['a control character in a string', 'its escape, such as \\t'];
    case 'InvalidNumberFormat':
    case 'UnexpectedEndOfNumber':
      return ['a number is not complete', 'a number such as 12 or 1.5'];
    default:
      return ['an unknown symbol', 'a string in double quotes, a number, object, array, true, false or null'];
  }
}
