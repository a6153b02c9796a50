/**
 * A page of documentation whose examples are run. In the Markdown, the words behind a fence's language say what a block is; readers see
 * none of them:
 *
 *   ```ts file=hello/greet.ts      written to that file
 *   ```sh test                     run in the page's folder, line after line; `test exit=1`: it must end so
 *   ```text output                 what the block before has printed: these lines, in this order; `…` stands for anything
 *   <!-- start hello -->           from here on a server runs with the workflows of that folder
 */
import { readFileSync } from 'node:fs';

export type DocumentStep =
  | { kind: 'file'; path: string; text: string; line: number }
  | { kind: 'start'; workflows: string; line: number }
  | { kind: 'run'; script: string; exitCode: number; output: string[]; line: number };

const fence = /^```(\w*)(?: (.*))?$/;
const start = /^<!-- start (\S+) -->$/;

export function readDocument(path: string): DocumentStep[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  const steps: DocumentStep[] = [];
  for (let at = 0; at < lines.length; at++) {
    const text = lines[at] as string;
    const line = at + 1;
    const workflows = start.exec(text)?.[1];
    if (workflows !== undefined) steps.push({ kind: 'start', workflows, line });
    const opening = fence.exec(text);
    if (opening === null) continue;
    const end = lines.indexOf('```', at + 1);
    if (end === -1) throw new Error(`${path}:${line}: the block has no end`);
    const step = stepOf(opening[2] ?? '', lines.slice(at + 1, end), line, steps.at(-1));
    if (step !== null) steps.push(step);
    at = end;
  }
  return steps;
}

function stepOf(words: string, lines: string[], line: number, before: DocumentStep | undefined): DocumentStep | null {
  const [what = '', option = ''] = words.split(' ');
  if (what.startsWith('file=')) return { kind: 'file', path: what.slice(5), text: `${lines.join('\n')}\n`, line };
  if (what === 'test') {
    return {
      kind: 'run',
      script: lines.join('\n'),
      exitCode: Number(/^exit=(\d+)$/.exec(option)?.[1] ?? 0),
      output: [],
      line,
    };
  }
  if (what === 'output') {
    if (before?.kind !== 'run') throw new Error(`line ${line}: an output belongs behind a block that is run`);
    before.output = lines.filter((text) => text.trim() !== '' && text.trim() !== '…');
    return null;
  }
  if (what !== '') throw new Error(`line ${line}: a block is not '${words}'`);
  return null;
}

/** The first line of `expected` that `printed` does not have behind those before it; null when it has all. */
export function firstMissing(expected: readonly string[], printed: string): string | null {
  let at = 0;
  for (const line of expected) {
    const pattern = line
      .trim()
      .split('…')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '\\s+'))
      .join('.*');
    const found = new RegExp(pattern).exec(printed.slice(at));
    if (found === null) return line;
    at += found.index + found[0].length;
  }
  return null;
}
