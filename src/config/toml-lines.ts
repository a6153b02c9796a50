import { parse } from 'smol-toml';

/** Lines of one section; after a longer one nothing is searched: finding them is quadratic, and no section is that long. */
const sectionLinesMax = 1500;

/**
 * The line (1-based) on which each key of a valid TOML text is written, by its path joined with dots; a section by its first line.
 * The parser gives no positions for keys, so it is asked: the text is parsed up to every line, and what a line adds is on it.
 * A value over several lines makes the texts in between invalid, so it gets the line on which it begins. A header names its table
 * in full, so the text before it need not be parsed again.
 */
export function locateTomlKeys(text: string): Map<string, number> {
  const lineOf = new Map<string, number>();
  let beginning = 1;
  let sectionBeginning = 1;
  let prefix = '';
  for (const [index, line] of text.split('\n').entries()) {
    const isComplete = beginning === index + 1;
    if (isComplete && line.trimStart().startsWith('[')) {
      prefix = '';
      sectionBeginning = beginning;
    }
    if (index + 1 - sectionBeginning >= sectionLinesMax) return lineOf;
    prefix += `${line}\n`;
    let table: Record<string, unknown>;
    try {
      table = parse(prefix, { integersAsBigInt: true });
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
