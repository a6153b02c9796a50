import type { Finding } from './compiled.ts';
import { LineMap, type Place } from './line-map.ts';
import { isJsonObject, type JsonValue, parseJsonDocument } from './parse-file.ts';

/** Characters of a source line that are shown: the part around the column. */
const shownWidth = 100;

/**
 * Findings for a terminal: where, what is wrong, what was got and what is allowed, and the line with a caret under the place.
 * `readSource` gives the text of a file, or null when it cannot be had; the line is left out then.
 *
 *     orders/total.workflow.json:9:42 unknown-node
 *       There is no node "pric". Did you mean "price"?
 *       at      /nodes/check/next
 *       got     "pric"
 *       allowed a node of this workflow: check, price
 *
 *        9 |     "check": { "type": "set", "values": {}, "next": "pric" },
 *          |                                                     ^
 */
export function formatFindings(findings: readonly Finding[], readSource: (file: string) => string | null): string {
  return findings.map((finding) => formatFinding(finding, readSource)).join('\n');
}

function formatFinding(finding: Finding, readSource: (file: string) => string | null): string {
  const { file, pointer, code, got, expected, message, inlineAt } = finding;
  const place = inlineAt ?? finding;
  const rows = [`${file}:${place.line}:${place.column} ${code}`, `  ${message}`];
  if (pointer !== '')
    rows.push(
      `  at      ${pointer}${inlineAt === undefined ? '' : `, line ${finding.line}, column ${finding.column} of the code`}`,
    );
  rows.push(`  got     ${got}`, `  allowed ${expected}`);
  const source = readSource(file);
  const text = source === null || inlineAt === undefined ? source : stringAt(source, pointer);
  if (text !== null) rows.push(...excerpt(new LineMap(text).line(finding.line), finding));
  return `${rows.map(printable).join('\n')}\n`;
}

function excerpt(line: string, { line: number, column }: Place): string[] {
  if (line.trim() === '') return [];
  const start =
    line.length <= shownWidth ? 0 : Math.max(0, Math.min(column - 1 - shownWidth / 2, line.length - shownWidth));
  const shown = line.slice(start, start + shownWidth);
  // Tabs stay tabs, so that the caret stands where the terminal puts the character.
  const indent = shown.slice(0, column - 1 - start).replace(/[^\t]/g, ' ');
  const margin = String(number).padStart(4);
  return ['', `  ${margin} | ${shown}`, `  ${' '.repeat(margin.length)} | ${indent}^`];
}

/** The string that a pointer leads to, which is the code of a node. */
function stringAt(source: string, pointer: string): string | null {
  const { document } = parseJsonDocument(source);
  let value: JsonValue | undefined = document?.value;
  for (const part of pointer.split('/').slice(1)) {
    if (!isJsonObject(value)) return null;
    value = value[part.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  return typeof value === 'string' ? value : null;
}

/** What is shown comes from files: nothing in it may steer the terminal. */
function printable(row: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced.
  return row.replace(/[\0-\x08\n-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '·');
}
