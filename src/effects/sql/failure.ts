import { type DatabaseError, isDatabaseError } from '../../store/database-error.ts';
import { EffectFailure } from '../effect-failure.ts';

/** States in which nothing was done and the same call may succeed: serialization failures, deadlocks, locks, a server that ends. */
const retryableStates = /^(40001|40P01|55P03|08...|53...|57P0[1-5]|58...)$/;
/** With these a session ends; the word for it may be translated. */
const endingStates = /^(57P0[1-5]|25P0[34]|08...)$/;
const queryCanceled = '57014';
const readOnlyTransaction = '25006';
/** Of the driver's error: names that PostgreSQL says beside its message. The detail is left out: it quotes rows. */
const named = ['constraint', 'table', 'column'] as const;

/** The driver's error for a statement of several that were sent together. */
export interface RefusedStatement extends DatabaseError {
  /** From 0. */
  place?: number;
}

export interface RefusedPlace {
  /** Which one of the author's, from 1; null when there is one, or none of them is to blame. */
  statement: number | null;
  /** What was put before the author's text. */
  positionOffset: number;
}

/**
 * What PostgreSQL refused, as a workflow sees it. `reason` is `sqlstate_` with the SQLSTATE.
 */
export function refusalOf(error: DatabaseError, { statement, positionOffset }: RefusedPlace): EffectFailure {
  const said = error as DatabaseError & { [Name in 'position' | 'hint' | (typeof named)[number]]?: string };
  const { code, message, position, hint } = said;
  const parts = [
    `PostgreSQL refused ${statement === null ? 'it' : `statement ${statement}`}: ${message}`,
    `SQLSTATE ${code}`,
  ];
  if (position !== undefined) parts.push(`at character ${Math.max(1, Number(position) - positionOffset)}`);
  for (const name of named) if (said[name] !== undefined) parts.push(`${name} ${said[name]}`);
  if (hint !== undefined) parts.push(hint);
  if (code === readOnlyTransaction) {
    parts.push(
      'it ran in a READ ONLY transaction; say "readOnly": false if it writes, where the datasource is not read_only',
    );
  }
  if (code === queryCanceled) {
    const slow = 'it was not done within "statement_timeout" of the datasource, or was cancelled';
    return new EffectFailure('timeout', [slow, ...parts.slice(1)].join('; '), { retryable: true });
  }
  return new EffectFailure(`sqlstate_${code}`, parts.join('; '), { retryable: retryableStates.test(code) });
}

/** What is known of a call whose connection is gone. */
export type LossMoment =
  /** Nothing was sent, or nothing that was is committed. */
  | 'before'
  /** The COMMIT was sent. */
  | 'commit';

/**
 * A connection that cannot be made or was lost. Neither address, user nor the driver's words are in the message: workflows are not told
 * where their data is.
 */
export function connectionFailure(error: unknown, moment: LossMoment): EffectFailure {
  if (error instanceof EffectFailure) return error;
  const code = (error as { code?: unknown } | null)?.code;
  const said =
    typeof code === 'string' && /^[A-Z0-9_]{3,40}$/.test(code)
      ? ` (${isDatabaseError(error) ? 'SQLSTATE ' : ''}${code})`
      : '';
  if (moment === 'commit') {
    const doubt = 'the connection was lost while it was being committed: it is not known whether it took effect';
    return new EffectFailure('outcome_unknown', `${doubt}${said}`, { cause: error });
  }
  // A role or a database that does not exist, a wrong password: nothing that passes.
  const isRefused = isDatabaseError(error) && /^(28|3D|42)/.test(error.code);
  const message = isRefused
    ? `PostgreSQL refused the connection${said}: check "dsn" of the datasource`
    : `PostgreSQL cannot be reached, or the connection was lost${said}; nothing was changed`;
  return new EffectFailure(isRefused ? 'connection_refused' : 'connection_lost', message, {
    retryable: !isRefused,
    cause: error,
  });
}

/** Whether it is PostgreSQL's answer to a statement, after which the session goes on. */
export function isStatementRefusal(error: unknown): error is RefusedStatement {
  return (
    isDatabaseError(error) && error.severity !== 'FATAL' && error.severity !== 'PANIC' && !endingStates.test(error.code)
  );
}
