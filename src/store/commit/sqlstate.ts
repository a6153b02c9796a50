/** What to do with a batch that PostgreSQL refused (https://www.postgresql.org/docs/18/errcodes-appendix.html). */

/** Raised by `nflow.assert_live`. */
export const notLive = 'NF001';

export type Refusal =
  /** Somebody took over: nothing may be written any more. */
  | 'fenced'
  /** One row is to blame: it must be found, so that the others are not. */
  | 'row'
  /** The server could not do it now. */
  | 'server';

/** Data exceptions, constraints, things of the wrong kind, and limits of a row. */
const rowClasses = ['22', '23', '42P', '54'];

export function classifyRefusal(sqlState: string): Refusal {
  if (sqlState === notLive) return 'fenced';
  return rowClasses.some((prefix) => sqlState.startsWith(prefix)) ? 'row' : 'server';
}
