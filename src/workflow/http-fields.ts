import type { Template } from '../protocol/program.ts';
import type { Problem } from './findings.ts';
import { showValue } from './findings.ts';
import { workflowLimits } from './limits.ts';
import { isJsonObject, type JsonValue } from './parse-file.ts';
import { childPointer } from './pointer.ts';

export const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
export type Method = (typeof methods)[number];

export const methodsExpected = `one of ${methods.join(', ')}`;

/** Checks of what is written out in HTTP fields. What a template makes of them is checked when it runs. */

/** RFC 9110, 5.6.2. */
const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** They belong to one connection, or are set by nFlow from the body. */
const connectionHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

type Report = (problem: Problem) => void;

export function isHeaderName(name: string): boolean {
  return tokenPattern.test(name);
}

/** `host` is the author's to set on what a workflow sends: it is not among those. */
export function checkHeaders(
  value: JsonValue,
  pointer: string,
  direction: 'request' | 'response',
  report: Report,
): void {
  if (typeof value === 'string') {
    if (isWholeExpression(value)) return;
    const message = 'Headers are an object of names and values, or one expression that gives such an object.';
    report({ pointer, code: 'bad-value', got: showValue(value), expected: 'an object of headers', message });
    return;
  }
  if (!isJsonObject(value)) {
    const message = 'Headers are an object of names and values.';
    report({ pointer, code: 'bad-value', got: showValue(value), expected: 'an object of headers', message });
    return;
  }
  const seen = new Set<string>();
  const names = Object.keys(value);
  if (names.length > workflowLimits.headersMax) {
    const expected = `at most ${workflowLimits.headersMax}`;
    report({
      pointer,
      code: 'too-many',
      got: `${names.length} headers`,
      expected,
      message: 'There are too many headers.',
    });
  }
  for (const name of names) {
    const child = childPointer(pointer, name);
    const lower = name.toLowerCase();
    const refuse = (expected: string, message: string): void =>
      report({ pointer: child, at: 'key', code: 'bad-header', got: JSON.stringify(name), expected, message });
    if (!isHeaderName(name)) refuse("letters, digits and ! # $ % & ' * + - . ^ _ ` | ~", 'It is no name of a header.');
    else if (connectionHeaders.has(lower)) refuse('another header', `nFlow sets "${lower}" itself.`);
    else if (direction === 'response' && lower.startsWith('nflow-')) {
      refuse('another header', 'Headers that begin with "nflow-" are set by nFlow itself.');
    } else if (seen.has(lower))
      refuse('each header once', `The header "${lower}" is there twice: case does not count.`);
    seen.add(lower);
    checkHeaderValue(value[name] as JsonValue, child, report);
  }
}

function checkHeaderValue(value: JsonValue, pointer: string, report: Report): void {
  const expected = 'a string, number or boolean, without line breaks';
  const isAllowed = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  // Tab and what is printable in Latin-1 (RFC 9110, 5.5): what a template puts in is checked when it runs.
  if (isAllowed && (isTemplate(value) || /^[\t\x20-\x7e\x80-\xff]*$/.test(String(value)))) return;
  report({ pointer, code: 'bad-header', got: showValue(value), expected, message: 'A header cannot have this value.' });
}

export function isTemplate(value: JsonValue): boolean {
  return typeof value === 'string' && value.includes('{{');
}

function isWholeExpression(text: string): boolean {
  return text.startsWith('{{') && text.endsWith('}}');
}

/** A status that is written out. 1xx are not answers; the limits are those of the node. */
export function checkStatus(value: JsonValue, pointer: string, min: number, max: number, report: Report): void {
  if (isTemplate(value)) return;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return;
  const expected = `a whole number from ${min} to ${max}, or an expression in {{ }}`;
  report({
    pointer,
    code: 'bad-status',
    got: showValue(value),
    expected,
    message: 'It is no status that can be answered here.',
  });
}

export function checkRequestMethod(value: string, pointer: string, report: Report): void {
  if (isTemplate(value) || (methods as readonly string[]).includes(value)) return;
  const upper = value.toUpperCase();
  const hint = (methods as readonly string[]).includes(upper) ? ` Methods are written in capitals: "${upper}".` : '';
  const message = `It is no known method.${hint}`;
  report({ pointer, code: 'bad-value', got: showValue(value), expected: methodsExpected, message });
}

export function checkUrl(value: string, template: Template, pointer: string, report: Report): void {
  const fixed = template.kind === 'literal' ? value : template.kind === 'text' ? template.parts[0] : '';
  const isChecked = typeof fixed === 'string' && fixed !== '';
  if (!isChecked) {
    if (value === '') refuseUrl(value, pointer, report);
    return;
  }
  const hasScheme = /^https?:\/\/[^/\s]/i.test(fixed) || (template.kind === 'text' && /^https?:\/\/$/i.test(fixed));
  if (!hasScheme || (template.kind === 'literal' && !URL.canParse(value))) refuseUrl(value, pointer, report);
}

function refuseUrl(value: string, pointer: string, report: Report): void {
  const expected = 'an address that begins with http:// or https://';
  report({
    pointer,
    code: 'bad-url',
    got: showValue(value),
    expected,
    message: 'It is no address that can be called.',
  });
}

export function checkQuery(value: JsonValue, pointer: string, report: Report): void {
  if (isJsonObject(value) || isTemplate(value)) return;
  const expected = 'an object of query parameters, or one expression that gives it';
  report({ pointer, code: 'bad-value', got: JSON.stringify(value), expected, message: 'It is no object.' });
}
