/** How the commands look: colours where the stream can show them, tables without lines, aligned. */
import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';
import picocolors from 'picocolors';

type Colors = ReturnType<typeof picocolors.createColors>;

/** `hasColors` honours NO_COLOR, FORCE_COLOR and TERM; a pipe has none. */
function colorsFor(stream: NodeJS.WriteStream): Colors {
  return picocolors.createColors(stream.isTTY === true && stream.hasColors());
}

/** For what goes to stdout. */
export const colors: Colors = colorsFor(process.stdout);
/** For what goes to stderr. */
export const errorColors: Colors = colorsFor(process.stderr);

export interface Column {
  title: string;
  align?: 'left' | 'right';
  /** Cut when the terminal is narrower than the table; at least one of the columns should be. */
  canShrink?: boolean;
}

const columnGap = 2;
const shrunkWidthMin = 8;

/** Rows under dim titles, two spaces between the columns, without trailing blanks. `indent` goes before each line. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[], indent = ''): string {
  const table = new Table({
    head: columns.map((column) => colors.dim(column.title)),
    colAligns: columns.map((column) => column.align ?? 'left'),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': columnGap },
    chars: noLines,
    colWidths: columnWidths(columns, rows, terminalWidth() - indent.length),
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => `${indent}${line}`.trimEnd())
    .join('\n');
}

/** A pipe has no width: what reads it gets all. */
function terminalWidth(): number {
  return process.stdout.isTTY === true && process.stdout.columns > 0
    ? process.stdout.columns
    : Number.POSITIVE_INFINITY;
}

/** Null for a column that keeps its own width. The widest of those that can shrink gives way first. */
export function columnWidths(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  widthMax: number,
): (number | null)[] {
  const texts = columns.map((column, at) => [column.title, ...rows.map((row) => row[at] ?? '')]);
  const natural = texts.map((all) => Math.max(...all.map((text) => stripVTControlCharacters(text).length)) + columnGap);
  const widths = [...natural];
  let excess = natural.reduce((sum, width) => sum + width, 0) - columnGap - widthMax;
  while (excess > 0) {
    const shrinkable = columns.flatMap((column, at) =>
      column.canShrink === true && (widths[at] as number) > shrunkWidthMin + columnGap ? [at] : [],
    );
    if (shrinkable.length === 0) break;
    const widest = shrinkable.reduce((best, at) => ((widths[at] as number) > (widths[best] as number) ? at : best));
    widths[widest] = (widths[widest] as number) - 1;
    excess -= 1;
  }
  return widths.map((width, at) => (width === natural[at] ? null : width));
}

const noLines = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};

/** Names in one dim column, what they are beside them. */
export function formatFields(fields: readonly (readonly [name: string, text: string])[], indent = ''): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, text]) => `${indent}${colors.dim(name.padEnd(width))}  ${text}`).join('\n');
}

/** `0.04 ms`, `12.3 ms`, `1.24 s`, `3m 20s`: three digits that matter. */
export function formatMilliseconds(ms: number): string {
  if (ms < 1000) return `${trimZeros(ms.toPrecision(3))} ms`;
  if (ms < 60_000) return `${trimZeros((ms / 1000).toFixed(2))} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}m ${seconds % 60}s`;
}

function trimZeros(digits: string): string {
  return String(Number(digits));
}

/** `2026-11-24 21:44:19` in the time zone of the terminal. */
export function formatTime(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** At most `width` characters on one line, control characters made visible, so that data cannot draw on the terminal. */
export function oneLine(text: string, width: number): string {
  const clean = withoutControls(text.replace(/\s+/g, ' '));
  return clean.length > width ? `${clean.slice(0, width - 1)}…` : clean;
}

/** Replaces what could move the cursor or change colours; line breaks and tabs stay. */
export function withoutControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to be replaced
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '�');
}

export function writeLine(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** For `--json`: one document, indented for people, which programs do not mind. */
export function writeJson(value: unknown): void {
  writeLine(JSON.stringify(value, null, 2));
}
