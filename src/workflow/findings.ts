import type { Finding } from './compiled.ts';
import { workflowLimits } from './limits.ts';
import type { Place } from './line-map.ts';
import type { JsonDocument } from './parse-file.ts';

/** What is wrong with a value of the workflow file. */
export interface Problem {
  pointer: string;
  /** What of it is marked: the value (the default), its key, or a code unit of a string value. */
  at?: 'key' | 'value' | { index: number };
  code: string;
  got: string;
  expected: string;
  message: string;
}

/** What is wrong in the code of a node; the place is in the code. */
export type CodeProblem = Omit<Problem, 'pointer' | 'at'> & Place;

/** Where a node's code comes from. */
export interface CodeOrigin {
  /** Of the text, or of the name of the file. */
  pointer: string;
  /** As findings show it; null for code inside the workflow file. */
  file: string | null;
}

/** Collects the findings of one workflow file. */
export class FindingList {
  readonly #file: string;
  readonly #document: JsonDocument;
  readonly #findings: Finding[] = [];

  constructor(file: string, document: JsonDocument) {
    this.#file = file;
    this.#document = document;
  }

  add(problem: Problem): void {
    const { pointer, at = 'value', code, got, expected, message } = problem;
    this.#push({ file: this.#file, pointer, ...this.#placeOf(pointer, at), code, got, expected, message });
  }

  addInCode(origin: CodeOrigin, { line, column, code, got, expected, message }: CodeProblem): void {
    const finding: Finding = {
      file: origin.file ?? this.#file,
      pointer: origin.pointer,
      line,
      column,
      code,
      got,
      expected,
      message,
    };
    if (origin.file === null) finding.inlineAt = this.#document.placeOfValue(origin.pointer);
    this.#push(finding);
  }

  /** In the order of the file, code files after it. */
  get sorted(): Finding[] {
    const inFile = (finding: Finding) => finding.inlineAt ?? finding;
    return this.#findings.toSorted(
      (a, b) =>
        Number(a.file !== this.#file) - Number(b.file !== this.#file) ||
        inFile(a).line - inFile(b).line ||
        inFile(a).column - inFile(b).column,
    );
  }

  get isEmpty(): boolean {
    return this.#findings.length === 0;
  }

  #placeOf(pointer: string, at: NonNullable<Problem['at']>): Place {
    if (at === 'value') return this.#document.placeOfValue(pointer);
    if (at === 'key') return this.#document.placeOfKey(pointer);
    return this.#document.placeInString(pointer, at.index);
  }

  #push(finding: Finding): void {
    if (this.#findings.length < workflowLimits.findingsMax) this.#findings.push(finding);
    if (this.#findings.length !== workflowLimits.findingsMax - 1) return;
    this.#findings.push({
      ...finding,
      code: 'too-many-findings',
      got: `more than ${workflowLimits.findingsMax - 1} findings`,
      expected: 'a workflow file',
      message: 'There are more findings than are shown. Correct these first.',
    });
  }
}

/** A value as a finding shows it: JSON, cut. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
