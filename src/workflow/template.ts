import type { Expression, Template } from '../protocol/program.ts';
import { compileExpression, type ExpressionProblem, expressionExpected } from './expression.ts';
import type { Problem } from './findings.ts';
import { isJsonObject, type JsonValue } from './parse-file.ts';
import { childPointer } from './pointer.ts';

/** What templates and expressions of one workflow are compiled with. */
export interface TemplateContext {
  nodeNames: ReadonlySet<string>;
  /** The field is one of an effect that may be given secrets. */
  takesSecrets?: boolean;
  report: (problem: Problem) => void;
}

/**
 * A `}}` ends an expression only where the text before it parses, so one with objects and strings in it may need several
 * attempts. This bounds them.
 */
const attemptsMax = 100;

/** What stands for a template with a finding: it is never run. */
const unreadable: Template = { kind: 'literal', json: 'null' };

/** Takes a value with `{{ … }}` apart. A string that is exactly one `{{ … }}` keeps the type of its expression. */
export function compileTemplate(value: JsonValue, pointer: string, context: TemplateContext): Template {
  if (typeof value === 'string') return compileText(value, pointer, context);
  if (Array.isArray(value)) {
    const items = value.map((item, index) => compileTemplate(item, childPointer(pointer, index), context));
    return items.every(isLiteral) ? { kind: 'literal', json: JSON.stringify(value) } : { kind: 'array', items };
  }
  if (isJsonObject(value)) {
    const entries = Object.entries(value).map(([key, item]): [string, Template] => {
      const child = childPointer(pointer, key);
      if (key.includes('{{')) reportTemplateKey(key, child, context);
      return [key, compileTemplate(item, child, context)];
    });
    const isConstant = entries.every(([, item]) => isLiteral(item));
    return isConstant ? { kind: 'literal', json: JSON.stringify(value) } : { kind: 'object', entries };
  }
  return { kind: 'literal', json: JSON.stringify(value) };
}

function isLiteral(template: Template): boolean {
  return template.kind === 'literal';
}

function reportTemplateKey(key: string, pointer: string, { report }: TemplateContext): void {
  const message = 'Keys are taken as they are: build an object with computed keys in a code node or an expression.';
  const got = JSON.stringify(key);
  report({ pointer, at: 'key', code: 'template-key', got, expected: 'a key without {{ }}', message });
}

function compileText(text: string, pointer: string, context: TemplateContext): Template {
  if (!text.includes('{{')) return { kind: 'literal', json: JSON.stringify(text) };
  const parts: (string | Expression)[] = [];
  let at = 0;
  for (let open = text.indexOf('{{'); open !== -1; open = text.indexOf('{{', at)) {
    const found = findExpression(text, open, pointer, context);
    if (!found.ok) {
      for (const problem of found.problems) context.report({ ...problem, pointer, at: { index: problem.index } });
      if (found.end === null) return unreadable;
      at = found.end;
      continue;
    }
    if (open > at) parts.push(text.slice(at, open));
    if (open === 0 && found.end === text.length) {
      const whole: Template = { kind: 'expression', expression: found.expression };
      return found.reference === null ? whole : { ...whole, reference: found.reference };
    }
    parts.push(found.expression);
    at = found.end;
  }
  if (at < text.length) parts.push(text.slice(at));
  return { kind: 'text', parts };
}

type Found =
  | { ok: true; expression: Expression; reference: string | null /** Offset after the braces. */; end: number }
  | { ok: false; problems: ExpressionProblem[]; end: number | null };

/** The expression whose `{{` stands at `open`. It ends at the first `}}` up to which it parses. */
function findExpression(text: string, open: number, pointer: string, context: TemplateContext): Found {
  const start = open + 2;
  let best: ExpressionProblem[] = [];
  let close = text.indexOf('}}', start);
  if (close === -1) {
    const message = 'A "{{" is not closed. To write the two characters themselves: {{ "{{" }}.';
    return {
      ok: false,
      problems: [{ index: open, code: 'syntax-error', got: '{{', expected: '}}', message }],
      end: null,
    };
  }
  for (let attempt = 0; close !== -1 && attempt < attemptsMax; attempt++) {
    const parsed = compileExpression(text.slice(start, close), pointer, context.nodeNames, context.takesSecrets);
    if (parsed.ok) return { ok: true, expression: parsed.expression, reference: parsed.reference, end: close + 2 };
    const problems = parsed.problems.map((problem) => ({ ...problem, index: problem.index + start }));
    // It parsed, and means something that is not there: the end is right.
    if (problems.some(({ code }) => code !== 'syntax-error')) return { ok: false, problems, end: close + 2 };
    // Of the attempts that do not parse, the one that came furthest explains best.
    if (best.length === 0 || (problems[0]?.index ?? 0) > (best[0]?.index ?? 0)) best = problems;
    // A third brace may belong to the expression: `{{ {a: {}}}}`.
    close = text.indexOf('}}', close + 1);
  }
  return { ok: false, problems: best, end: null };
}

/**
 * A field of kind expression: with or without braces. Returns null when there is a finding.
 * With braces it is exactly one `{{ … }}`.
 */
export function compileExpressionField(text: string, pointer: string, context: TemplateContext): Expression | null {
  if (text.trimStart().startsWith('{{') && text.trimEnd().endsWith('}}')) {
    const lead = text.length - text.trimStart().length;
    const found = findExpression(text, lead, pointer, context);
    if (found.ok && text.slice(found.end).trim() === '') return found.expression;
    const problems = found.ok ? [moreThanOne(text, found.end)] : found.problems;
    for (const problem of problems) context.report({ ...problem, pointer, at: { index: problem.index } });
    return null;
  }
  const parsed = compileExpression(text, pointer, context.nodeNames, context.takesSecrets);
  if (parsed.ok) return parsed.expression;
  for (const problem of parsed.problems) context.report({ ...problem, pointer, at: { index: problem.index } });
  return null;
}

function moreThanOne(text: string, end: number): ExpressionProblem {
  const message = 'This field is one expression: write it as a whole, without braces or between one pair of them.';
  return {
    index: end,
    code: 'syntax-error',
    got: JSON.stringify(text.slice(end, end + 40)),
    expected: expressionExpected,
    message,
  };
}
