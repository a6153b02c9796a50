import type { Finding } from '../workflow/compiled.ts';
import { formatFindings } from '../workflow/finding-text.ts';
import { createSourceReader } from '../workflow/folder.ts';
import type { colors, errorColors } from './terminal.ts';

const headPattern = /^(\S.*:\d+:\d+) ([\w-]+)$/gm;
const caretPattern = /^( +\|) ( *\^)$/gm;

/** The findings with the lines they are about, coloured for the stream that they go to. */
export function paintFindings(findings: readonly Finding[], palette: typeof colors | typeof errorColors): string {
  return formatFindings(findings, createSourceReader())
    .replace(headPattern, (_, place: string, code: string) => `${palette.bold(place)} ${palette.red(code)}`)
    .replace(caretPattern, (_, margin: string, caret: string) => `${margin} ${palette.red(caret)}`);
}
