/**
 * One commit batch on the driver's connection: bytes that we wrote go out in one write, and what comes back until
 * ReadyForQuery is the answer. All of it is one transaction: PostgreSQL commits at the Sync, so the answer counts only then (a
 * statement's CommandComplete comes before the commit).
 */
import type pg from 'pg';
import { type DatabaseError, isDatabaseError } from '../database-error.ts';

export type BatchAnswer =
  /** Committed. `rows` are the rows of all its statements, each row's first column. */
  | { kind: 'committed'; rows: string[] }
  /** Undone, for sure. */
  | { kind: 'refused'; error: DatabaseError }
  /** The connection ended first: nobody knows. */
  | { kind: 'lost'; error: Error };

/** A query object of the driver: it calls these methods by name. */
export class BatchQuery implements pg.Submittable {
  readonly #bytes: Buffer;
  readonly #onAnswer: (answer: BatchAnswer) => void;
  #rows: string[] = [];
  #answered = false;

  constructor(bytes: Buffer, onAnswer: (answer: BatchAnswer) => void) {
    this.#bytes = bytes;
    this.#onAnswer = onAnswer;
  }

  submit(connection: pg.Connection): void {
    connection.stream.write(this.#bytes);
  }

  handleDataRow(message: { fields: (string | null)[] }): void {
    const first = message.fields[0];
    if (typeof first === 'string' && first !== '') this.#rows.push(first);
  }

  handleError(error: Error): void {
    this.#answer(isCertainRefusal(error) ? { kind: 'refused', error } : { kind: 'lost', error });
  }

  handleReadyForQuery(): void {
    this.#answer({ kind: 'committed', rows: this.#rows });
  }

  handleRowDescription(): void {}
  handlePortalSuspended(): void {}
  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}

  #answer(answer: BatchAnswer): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#onAnswer(answer);
  }
}

/** What ends a session (shutdown, termination, a broken connection) says nothing about a commit that was under way. */
function isCertainRefusal(error: Error): error is DatabaseError {
  if (!isDatabaseError(error)) return false;
  if (error.severity === 'FATAL' || error.severity === 'PANIC') return false;
  return !error.code.startsWith('57P') && !error.code.startsWith('08');
}
