import { parse } from 'smol-toml';

/** More lines than this are not searched: finding them is quadratic, and no configuration is that long. */
const lineCountMax = 1000;

/**
 * The line (1-based) on which each key of a valid TOML text is written, by its path joined with dots; a section by its first line.
 * The parser gives no positions for keys, so it is asked: the text is parsed up to every line, and what a line adds is on it.
 * A value over several lines makes the texts in between invalid, so it gets the line on which it begins.
 */
export function locateTomlKeys(text: string): Map<string, number> {
  const lineOf = new Map<string, number>();
  const lines = text.split('\n');
  if (lines.length > lineCountMax) return lineOf;
  let beginning = 1;
  let prefix = '';
  for (const [index, line] of lines.entries()) {
    prefix += `${line}\n`;
    let table: Record<string, unknown>;
    try {
      table = parse(prefix);
    } catch {
      continue;
    }
    addNewPaths(table, '', beginning, lineOf);
    beginning = index + 2;
  }
  return lineOf;
}

function addNewPaths(table: Record<string, unknown>, parent: string, line: number, lineOf: Map<string, number>): void {
  for (const [name, value] of Object.entries(table)) {
    const path = parent === '' ? name : `${parent}.${name}`;
    if (!lineOf.has(path)) lineOf.set(path, line);
    if (isTable(value)) addNewPaths(value, path, line, lineOf);
  }
}

/** True for a TOML table, which is a plain object; dates and arrays are not. */
export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
