import type { DefinitionDiff } from '../workflow/definition-diff.ts';
import type { ServerApi } from './server-api.ts';
import { colors, oneLine, withoutControls, writeJson, writeLine } from './terminal.ts';

type CodeChange = NonNullable<DefinitionDiff['nodes']['changed'][number]['code']>;
type FieldChange = DefinitionDiff['settings'][number];

const valueWidth = 80;

export async function showDiff(
  api: ServerApi,
  name: string,
  versions: { from: string; to: string },
  asJson: boolean,
): Promise<void> {
  const diff = (await api.get(`/workflows/${encodeURIComponent(name)}/diff`, versions)) as DefinitionDiff;
  if (asJson) writeJson(diff);
  else writeLine(formatDiff(diff));
}

function formatDiff({ isSame, settings, nodes }: DefinitionDiff): string {
  if (isSame) return 'They are the same.';
  const lines = settings.flatMap(formatField);
  for (const { name, type } of nodes.removed) lines.push(colors.red(`- node ${name} (${type})`));
  for (const { name, type } of nodes.added) lines.push(colors.green(`+ node ${name} (${type})`));
  for (const { name, typeBefore, typeAfter, fields, code } of nodes.changed) {
    const type = typeBefore === typeAfter ? typeAfter : `${typeBefore} → ${typeAfter}`;
    lines.push(`${colors.yellow('~')} node ${colors.bold(name)} ${colors.dim(`(${type})`)}`);
    lines.push(...fields.flatMap(formatField).map((line) => `    ${line}`));
    if (code !== null) lines.push(...formatCode(code));
  }
  if (nodes.isReordered) lines.push(`${colors.yellow('~')} the order of the nodes`);
  return lines.join('\n');
}

function formatCode({ fileBefore, fileAfter, diff }: CodeChange): string[] {
  const place = (file: string | null): string => (file === null ? 'the definition' : withoutControls(file));
  const moved = fileBefore === fileAfter ? [] : [`    code: in ${place(fileBefore)} → in ${place(fileAfter)}`];
  if (diff !== '') return [...moved, ...diff.trimEnd().split('\n').map(formatCodeLine)];
  return moved.length > 0 ? moved : ['    code: the line break at the end'];
}

function formatField({ pointer, before, after }: FieldChange): string[] {
  const lines: string[] = [];
  if (before !== undefined && before !== null) lines.push(colors.red(`- ${pointer}: ${shown(before)}`));
  if (after !== undefined && after !== null) lines.push(colors.green(`+ ${pointer}: ${shown(after)}`));
  return lines;
}

function shown(value: unknown): string {
  return oneLine(JSON.stringify(value), valueWidth);
}

function formatCodeLine(line: string): string {
  const clean = `    ${withoutControls(line)}`;
  if (line.startsWith('+')) return colors.green(clean);
  if (line.startsWith('-')) return colors.red(clean);
  return line.startsWith('@@') ? colors.cyan(clean) : clean;
}
