import { EffectFailure, invalidCall } from '../effect-failure.ts';
import type { SqlPage } from './arguments.ts';
import type { BatchStatement, StatementResult } from './batch.ts';
import { parameterText } from './values.ts';

/** Comes before the author's text. */
export const pagePrefix = 'SELECT * FROM (\n';

type KeyValue = string | number | boolean;

/**
 * A query of which one page is read: the rows after those of the cursor, in the order of the columns. The cursor is the values of these
 * columns in the last row, so that it holds in every process, for as long as it is kept, and a page costs the same however far it is;
 * nothing is held open between two pages. One row more than the page tells whether there is another one.
 */
export function pageStatement(sql: string, params: readonly unknown[], page: SqlPage): BatchStatement {
  const values = params.map(parameterText);
  const columns = page.by.map((name) => `nflow_page."${name.replaceAll('"', '""')}"`);
  const after = page.after == null ? null : readCursor(page.after, page.by.length);
  const places = after?.map((value) => `$${values.push(parameterText(value))}`) ?? [];
  const { comparison, direction } =
    page.descending === true ? { comparison: '<', direction: ' DESC' } : { comparison: '>', direction: '' };
  const condition = after === null ? '' : ` WHERE (${columns.join(', ')}) ${comparison} (${places.join(', ')})`;
  const order = columns.map((column) => `${column}${direction}`).join(', ');
  // On lines of its own: the query may end in a comment.
  const text = `${pagePrefix}${sql.replace(/[;\s]+$/, '')}\n) AS nflow_page${condition} ORDER BY ${order} LIMIT ${page.size + 1}`;
  return { text, values };
}

/** The result of a page as JSON text: `{ rows, rowCount, nextCursor }`. */
export function pageResult({ rowsJson }: StatementResult, page: SqlPage): string {
  const rows = JSON.parse(rowsJson) as Record<string, unknown>[];
  const shown = rows.slice(0, page.size);
  const keys = shown.map((row) => page.by.map((name) => row[name]));
  if (keys.some((key) => key.some((value) => value === null || typeof value === 'object'))) {
    throw invalidCall('page.by', 'columns with null or a value that has no order', 'columns that are never null');
  }
  const last = rows.length > page.size ? keys.at(-1) : undefined;
  const nextCursor = last === undefined ? null : Buffer.from(JSON.stringify(last)).toString('base64url');
  return JSON.stringify({ rows: shown, rowCount: shown.length, nextCursor });
}

function readCursor(cursor: string, count: number): KeyValue[] {
  let values: unknown;
  try {
    values = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw badCursor();
  }
  const isKey = (value: unknown): value is KeyValue => ['string', 'number', 'boolean'].includes(typeof value);
  if (!Array.isArray(values) || values.length !== count || !values.every(isKey)) throw badCursor();
  return values;
}

function badCursor(): EffectFailure {
  return new EffectFailure(
    'bad_cursor',
    'page.after is not a cursor of this query: give the nextCursor of the page before',
  );
}
