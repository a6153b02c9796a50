/** What waits for a commit batch. */
import type { EndedExecution, ExecutionEnd, JournalRecord, StartedExecution } from '../port.ts';

export type WriteContent =
  | { kind: 'end'; execution: EndedExecution }
  | { kind: 'start'; execution: StartedExecution; journal: JournalRecord[] }
  | { kind: 'append'; journal: JournalRecord[] }
  | { kind: 'finish'; end: ExecutionEnd; endedAtMs: number };

/** One call of the ledger. Its promise settles once; what was started may go on being sent after that (see `Ledger`). */
export class Write {
  readonly executionId: string;
  /** Replaced only by `repack`, before it is queued. */
  content: WriteContent;
  readonly rows: number;
  bytes: number;
  /** `performance.now()` until which it may be answered. */
  readonly deadlineMs: number;
  readonly queuedMs: number;
  settled: boolean;
  /** It was sent and no answer came: the row may be there. */
  unknown: boolean;
  /** The last failure, for the message at the deadline. */
  failure: Error | null;
  /** A `finish` whose row was not in its tree: it is looked for in the kept table. */
  kept: boolean;
  /** Its execution has no row that it could belong to: it is never sent. */
  #isVoid = false;
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;

  constructor(
    executionId: string,
    content: WriteContent,
    deadlineMs: number,
    resolve: () => void,
    reject: (error: Error) => void,
  ) {
    this.executionId = executionId;
    this.content = content;
    this.rows = rowsOf(content);
    this.bytes = bytesOf(content);
    this.deadlineMs = deadlineMs;
    this.queuedMs = performance.now();
    this.settled = false;
    this.unknown = false;
    this.failure = null;
    this.kept = false;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** False for a write whose caller was told that it failed and that nothing depends on: it is not sent any more. */
  get needed(): boolean {
    if (this.#isVoid) return false;
    return !this.settled || this.content.kind === 'append' || this.content.kind === 'finish';
  }

  /** Rejects it for good: the start of its execution was refused. */
  void(error: Error): void {
    this.#isVoid = true;
    this.reject(error);
  }

  /** The same with smaller payloads. */
  repack(content: WriteContent): void {
    this.content = content;
    this.bytes = bytesOf(content);
  }

  resolve(): void {
    if (this.settled) return;
    this.settled = true;
    this.#resolve();
  }

  reject(error: Error): void {
    if (this.settled) return;
    this.settled = true;
    this.#reject(error);
  }
}

/** Fixed columns of a row, with their length words. */
const rowOverhead = 200;

function rowsOf(content: WriteContent): number {
  switch (content.kind) {
    case 'start':
      return 1 + content.journal.length;
    case 'append':
      return content.journal.length;
    default:
      return 1;
  }
}

function bytesOf(content: WriteContent): number {
  switch (content.kind) {
    case 'end':
      return rowOverhead + inputBytes(content.execution) + endBytes(content.execution);
    case 'start':
      return rowOverhead + inputBytes(content.execution) + journalBytes(content.journal);
    case 'append':
      return journalBytes(content.journal);
    case 'finish':
      return rowOverhead + endBytes(content.end);
  }
}

function inputBytes({ inputHead, inputBody }: EndedExecution | StartedExecution): number {
  return size(inputHead) + size(inputBody);
}

function endBytes({ output, error, trace, effects, logs }: ExecutionEnd): number {
  return size(output) + size(error) + size(trace) + size(effects) + size(logs);
}

function journalBytes(journal: JournalRecord[]): number {
  let bytes = 0;
  for (const record of journal) bytes += rowOverhead + record.stepPath.length + size(record.json);
  return bytes;
}

function size(text: string | Uint8Array | null): number {
  if (text === null) return 0;
  // Short texts are counted by their code units: an estimate that costs nothing.
  return typeof text === 'string' && text.length > 4096 ? Buffer.byteLength(text) : text.length;
}
